import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

type ClientPorts = Pick<ReadonlySet<number>, 'has'>;

const ALL_PORTS: ClientPorts = { has: () => true };

/** The network between Flatline and one server, which can be made worse. */
export class NetworkProxy {
  private readonly pairs = new Set<Pair>();
  private delayMs = 0;
  /** The ports of the clients whose connections are cut, asked when it matters; null: nobody's are. */
  private cutPorts: (() => ClientPorts) | null = null;
  private losesAnswers = false;
  private readonly waiting: { readonly dueAt: number; readonly step: () => void }[] = [];

  private constructor(
    private readonly server: Server,
    private readonly targetPort: () => number,
  ) {}

  /** Listens on a free port of 127.0.0.1, unless told on which; `targetPort` is asked at each connection. */
  static async start(targetPort: () => number, port = 0): Promise<NetworkProxy> {
    const server = createServer();
    const proxy = new NetworkProxy(server, targetPort);
    server.on('connection', (socket) => proxy.accept(socket));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** From now on each piece of data waits this long, in both directions; 0 is as usual. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /**
   * Breaks connections; new ones are refused until `mend`.
   *
   * @param cutPorts is asked now and for each new connection from which ports they come that are cut; by default all
   *   of them are
   */
  cut(cutPorts: () => ClientPorts = () => ALL_PORTS): void {
    this.cutPorts = cutPorts;
    this.breakAll(cutPorts());
  }

  /** From now on the server hears everything and nothing of what it says arrives. */
  loseAnswers(): void {
    this.losesAnswers = true;
  }

  /** The network is well again; connections that have lost something are broken. */
  mend(): void {
    if (this.losesAnswers) this.breakAll();
    this.cutPorts = null;
    this.losesAnswers = false;
    this.delayMs = 0;
  }

  async stop(): Promise<void> {
    this.breakAll();
    this.server.close();
    await once(this.server, 'close');
  }

  private breakAll(ports: ClientPorts = ALL_PORTS): void {
    for (const { client, upstream } of this.pairs) {
      if (!ports.has(client.remotePort ?? 0)) continue;
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
  }

  private accept(client: Socket): void {
    if (this.cutPorts?.().has(client.remotePort ?? 0)) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ host: '127.0.0.1', port: this.targetPort() });
    const pair = { client, upstream };
    this.pairs.add(pair);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined); // its end follows
      socket.on('close', () => {
        this.pairs.delete(pair);
        this.inTurn(() => other.destroy());
      });
      socket.on('end', () => this.inTurn(() => other.end()));
    }
    client.on('data', (data) => this.inTurn(() => upstream.write(data)));
    upstream.on('data', (data) => {
      if (!this.losesAnswers) this.inTurn(() => client.write(data));
    });
  }

  /** After the delay, and after all that came before, whatever the delay was then. */
  private inTurn(step: () => void): void {
    if (this.delayMs === 0 && this.waiting.length === 0) {
      step();
      return;
    }
    this.waiting.push({ dueAt: performance.now() + this.delayMs, step });
    if (this.waiting.length === 1) this.goOn();
  }

  private goOn(): void {
    for (let first = this.waiting[0]; first; first = this.waiting[0]) {
      const waitMs = first.dueAt - performance.now();
      if (waitMs > 0) {
        setTimeout(() => this.goOn(), waitMs);
        return;
      }
      this.waiting.shift();
      first.step();
    }
  }
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
}
