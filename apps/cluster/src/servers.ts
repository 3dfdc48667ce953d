import * as path from 'node:path';
import type { DataDirectoryLock } from '@flatline/embedded-postgres';
import { startOwnPostgres } from '@flatline/infrastructure';
import { type LocalServer, startKafka, startRedis } from '@flatline/local-servers';
import { keepRunning, type Kernel, type Restartable } from '@flatline/service-kernel';

/** A server that this cluster started for itself. */
export interface OwnServer {
  /** `Postgres`, `Kafka`, `Redis` */
  readonly name: string;
  readonly port: number;
  readonly pid: () => number;
  /** Variables by which services find it. */
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string | null;
}

/** The data directory, which this process holds. */
export interface Place {
  readonly dataDir: string;
  readonly lock: DataDirectoryLock;
}

/**
 * Starts what the services stand on and the environment does not name, all at the same time, and keeps it running.
 * Rejects with the first that does not start; the others are stopped with the process.
 */
export function startServers(kernel: Kernel, place: Place): Promise<OwnServer[]> {
  const { DATABASE_URL, KAFKA_BROKERS, REDIS_URL } = kernel.config;
  return Promise.all([
    ...(DATABASE_URL ? [] : [postgresOf(kernel, place)]),
    ...(KAFKA_BROKERS ? [] : [startOwnKafka(kernel, place)]),
    ...(REDIS_URL ? [] : [startOwnRedis(kernel, place)]),
  ]);
}

/** Every service has a pool and some sessions of its own. */
const MAX_CONNECTIONS = 300;

async function postgresOf(kernel: Kernel, place: Place): Promise<OwnServer> {
  const name = 'Postgres';
  const settings = { max_connections: MAX_CONNECTIONS };
  const server = await startOwnPostgres(kernel, { ...place, name, settings });
  return {
    ...{ name, port: server.port, pid: () => server.pid },
    ...{ env: { DATABASE_URL: server.url }, logFile: null },
  };
}

async function startOwnKafka(kernel: Kernel, { dataDir }: Place): Promise<OwnServer> {
  const starting = startKafka({
    dataDir: path.join(dataDir, 'kafka'),
    tuning: 'throughput',
    onLog: (line) => kernel.logger.info(line),
  });
  const node = async (): Promise<LocalServer> => (await starting).nodes[0]!;
  await keepRunning(kernel, restartable('Kafka', node));
  const server = await node();
  return {
    ...describe('Kafka', server),
    env: {
      KAFKA_BROKERS: server.address,
      // One broker has one copy; and it is reached without what another Kafka may ask for.
      KAFKA_REPLICATION_FACTOR: '1',
      KAFKA_TLS: 'false',
      KAFKA_SASL_MECHANISM: '',
    },
  };
}

async function startOwnRedis(kernel: Kernel, { dataDir }: Place): Promise<OwnServer> {
  const starting = startRedis({ dataDir: path.join(dataDir, 'redis'), onLog: (line) => kernel.logger.info(line) });
  const server = async (): Promise<LocalServer> => (await starting).server;
  await keepRunning(kernel, restartable('Redis', server));
  return { ...describe('Redis', await server()), env: { REDIS_URL: (await starting).url } };
}

function describe(name: string, server: LocalServer) {
  return { name, port: server.port, pid: () => server.pid, logFile: server.logFile };
}

/** `first` resolves when the server runs for the first time. */
function restartable(name: string, first: () => Promise<LocalServer>): Restartable {
  return {
    name,
    start: async () => (await first()).start(),
    ended: async () => {
      const { code, signal } = await (await first()).ended;
      return signal === null ? `exit code ${code}` : `signal ${signal}`;
    },
    stop: async () => (await first()).stop(),
  };
}
