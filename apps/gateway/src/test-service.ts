import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What a service saw of a request. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Length of the body in bytes; it is counted, not kept. */
  readonly bodyBytes: number;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A process behind the gateway that says who it is and remembers what it was sent. */
export class TestService {
  readonly seen: SeenRequest[] = [];
  /** Of `/readyz`. */
  readiness: { status: number; body: string } = { status: 200, body: '{"status":"ready"}' };
  /** Instead of the usual answer; it is called before the body was read. */
  answer: Answer | null = null;
  private readonly sockets = new Set<Socket>();

  private constructor(
    readonly name: string,
    private readonly server: Server,
    readonly port: number,
    private readonly host: string,
  ) {
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    server.on('request', (request, response) => this.serve(request, response));
  }

  static async start(name: string, { port = 0, host = '127.0.0.1' } = {}): Promise<TestService> {
    const server = createServer({ keepAliveTimeout: 30_000 });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
    return new TestService(name, server, (server.address() as AddressInfo).port, host);
  }

  get url(): string {
    return `http://${this.host}:${this.port}`;
  }

  get connections(): number {
    return this.sockets.size;
  }

  /** As after kill -9: every connection is cut and the port refuses. */
  async kill(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.sockets) socket.resetAndDestroy();
    await closed;
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === '/readyz') {
      response.writeHead(this.readiness.status).end(this.readiness.body);
      return;
    }
    if (this.answer) {
      this.note(request, 0);
      this.answer(request, response);
      return;
    }
    let bodyBytes = 0;
    request.on('data', (chunk: Buffer) => (bodyBytes += chunk.length));
    request.on('error', () => undefined); // the sender hung up
    request.on('end', () => {
      this.note(request, bodyBytes);
      response.writeHead(200, { 'content-type': 'application/json', 'x-service': this.name }).end('{"status":"ok"}');
    });
  }

  private note({ method = '', url = '', headers }: IncomingMessage, bodyBytes: number): void {
    this.seen.push({ method, url, headers, bodyBytes });
  }
}
