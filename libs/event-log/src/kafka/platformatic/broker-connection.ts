import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import type { API, Broker, Connection } from '@platformatic/kafka';
import type { KafkaAccess } from '../kafka-client';
import type { PlatformaticKafka } from './library';
import { translated } from './platformatic-errors';

/** The library gives every request of a connection the same limit. It must not be the first to give up, see `ask`. */
const LIBRARY_LIMIT_MS = 600_000;
/** For opening a connection, login included: short enough that an append or a call can try another broker. */
const CONNECT_LIMIT_MS = 2_000;

export interface ConnectionSettings {
  readonly access: KafkaAccess;
  /** Shown by the brokers. */
  readonly clientId: string;
}

/**
 * One connection to one broker. A request that runs out of time takes the connection with it: the library would keep it
 * and stumble over the late answer, which fails the requests after it although the broker stores their records.
 */
export class BrokerConnection {
  private constructor(
    private readonly connection: Connection,
    private readonly tcp: Socket,
    private readonly address: string,
  ) {}

  /** @throws LoginRefused, or another error when the broker cannot be reached in time */
  static async open(kafka: PlatformaticKafka, broker: Broker, settings: ConnectionSettings): Promise<BrokerConnection> {
    const { access, clientId } = settings;
    const { host, port } = broker;
    // TLS over a socket of ours and not one of its own: only a TCP socket can be reset.
    const tcp = access.tls && connect({ host, port, noDelay: true });
    const connection = new kafka.Connection(clientId, {
      connectTimeout: CONNECT_LIMIT_MS,
      requestTimeout: LIBRARY_LIMIT_MS,
      tls: tcp && { ca: access.tls?.ca, socket: tcp },
      tlsServerName: tcp && !isIP(host) ? host : undefined,
      sasl: access.sasl && {
        mechanism: SASL_MECHANISMS[access.sasl.mechanism],
        username: access.sasl.username,
        password: access.sasl.password,
      },
    });
    // Whoever waits for an answer hears of it as well; without a listener the event would end the process.
    connection.on('error', () => undefined);
    try {
      await connection.connect(host, port);
    } catch (error) {
      (tcp ?? connection.socket).destroy();
      throw translated(error);
    }
    connection.socket.setKeepAlive(true, 10_000);
    return new BrokerConnection(connection, tcp ?? connection.socket, `${host}:${port}`);
  }

  get usable(): boolean {
    return !['closing', 'closed', 'error'].includes(this.connection.status);
  }

  /**
   * One request and its answer. Without a limit it waits for as long as the connection lives.
   * @throws BrokerRefusal (see `answerDespite`), or another error when no answer came
   */
  async ask<A extends unknown[], R>(api: API<A, R>, limitMs: number | null, ...args: A): Promise<R> {
    let timer: NodeJS.Timeout | undefined;
    const outOfTime = new Promise<never>((_resolve, reject) => {
      if (limitMs === null) return;
      timer = setTimeout(() => {
        reject(new Error(`no answer from ${this.address} within ${limitMs} ms`));
        this.destroy();
      }, limitMs);
    });
    try {
      return await Promise.race([api.async(this.connection, ...args), outOfTime]);
    } catch (error) {
      throw translated(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** At once and by TCP RST: what was not sent never will be, and requests in flight are rejected. Idempotent. */
  destroy(): void {
    this.tcp.resetAndDestroy(); // first: a socket that was told to end cannot be reset any more
    this.connection.close(() => undefined); // ends the library's timers
  }

  /** Orderly: what was sent arrives. */
  async close(): Promise<void> {
    await this.connection.close();
  }
}

const SASL_MECHANISMS = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
} as const;
