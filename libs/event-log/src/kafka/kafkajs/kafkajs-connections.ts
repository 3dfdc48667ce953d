import { connect, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Kafka, logLevel } from 'kafkajs';
import type { ISocketFactory, KafkaConfig, SASLOptions } from 'kafkajs';
import type { KafkaAccess } from '../kafka-client';
import { letIdleQueuesRest } from './idle-queues';

export interface KafkaJsConnectionOptions {
  readonly access: KafkaAccess;
  /** Shown by the brokers. */
  readonly clientId: string;
  /** A request without an answer fails after this, in ms. kafkajs never waits less than this for any request. */
  readonly requestTimeoutMs: number;
  /** Limit for opening a connection, in ms. */
  readonly connectTimeoutMs: number;
  readonly retry: KafkaConfig['retry'];
  /** What kafkajs has to say beyond the errors it throws. */
  readonly onTrouble?: (message: string, error: string | undefined) => void;
}

/**
 * An instance of kafkajs whose sockets are ours. The library ends a connection only in an orderly way: it waits for
 * pending answers and lets the kernel go on sending, so what was given up could still arrive minutes later.
 */
export class KafkaJsConnections {
  readonly kafka: Kafka;
  private readonly sockets = new Set<Socket>();

  constructor(options: KafkaJsConnectionOptions) {
    const { access, onTrouble } = options;
    letIdleQueuesRest();
    this.kafka = new Kafka({
      brokers: inTurn(access.brokers),
      clientId: options.clientId,
      ssl: access.tls && { ca: access.tls.ca },
      sasl: access.sasl as SASLOptions | undefined,
      requestTimeout: options.requestTimeoutMs,
      connectionTimeout: options.connectTimeoutMs,
      authenticationTimeout: options.requestTimeoutMs,
      retry: options.retry,
      socketFactory: this.socketFactory,
      logLevel: onTrouble ? logLevel.ERROR : logLevel.NOTHING,
      logCreator:
        () =>
        ({ log }) =>
          onTrouble?.(log.message, log.error as string | undefined),
    });
  }

  /** Resets every connection (TCP RST): what a kernel still holds back is dropped, and what is running fails now. */
  reset(): void {
    for (const socket of this.sockets) {
      // One that is ending has sent everything; to reset it as well would leak its handle.
      if (!socket.writableEnded) tcpSocketOf(socket).resetAndDestroy();
      // kafkajs hears of an end or an error only, and destroying a socket by hand causes neither.
      socket.emit('error', new Error('the connection was given up'));
      socket.destroy();
    }
    this.sockets.clear();
  }

  private readonly socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    // TLS over a socket of ours and not one of its own: only a TCP socket can be reset.
    const tcp = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 });
    let socket = tcp;
    if (ssl) {
      socket = connectTls({ ...ssl, socket: tcp, ...(isIP(host) ? {} : { servername: host }) }, onConnect);
      TCP_OF_TLS.set(socket, tcp);
    } else {
      tcp.once('connect', onConnect);
    }
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    return socket;
  };
}

let instances = 0;

/** Every instance begins with the next broker: kafkajs always asks the first one, and that may be the one that is away. */
function inTurn(brokers: readonly string[]): string[] {
  const first = (instances += 1) % brokers.length;
  return [...brokers.slice(first), ...brokers.slice(0, first)];
}

const TCP_OF_TLS = new WeakMap<Socket, Socket>();

const tcpSocketOf = (socket: Socket): Socket => TCP_OF_TLS.get(socket) ?? socket;
