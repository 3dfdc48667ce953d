import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { startEmbeddedPostgres } from '@flatline/embedded-postgres';
import { findFreePorts } from '@flatline/local-servers';
import { freezeTree, reapWithUs, startTestKafka, startTestRedis } from '@flatline/test-kit';
import type { CLUSTER_SERVERS } from '../faults/fault';
import { signal } from './processes';
import { NetworkProxy } from './proxy';

/** What faults do to a server. */
export interface FaultyServer {
  /** Stops all its processes where they stand. */
  freeze(): void | Promise<void>;
  thaw(): void;
  /** kill -9. Resolves when it is gone. */
  kill(): Promise<void>;
  /** After `kill`: on the same data and port; resolves when it answers, or at once where something else starts it. */
  start(): Promise<void>;
}

/** A server that a cluster stands on. */
export interface ClusterServer extends FaultyServer {
  /** The way to it that Flatline knows. */
  readonly network: NetworkProxy;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

export interface Servers extends Record<(typeof CLUSTER_SERVERS)[number], ClusterServer> {
  /** Variables by which the cluster finds them, through the network that may be made worse. */
  readonly env: Readonly<Record<string, string>>;
  /** Straight to them, for faults and for looking. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
}

/** Starts a Postgres, a Kafka and a Redis that no fault has been near yet. */
export async function startServers(): Promise<Servers> {
  const [postgres, kafka, redis] = await Promise.all([startPostgres(), startKafka(), startRedis()]);
  return {
    Postgres: postgres.server,
    Kafka: kafka.server,
    Redis: redis.server,
    env: { ...postgres.env, ...kafka.env, ...redis.env },
    databaseUrl: postgres.url,
    redisUrl: redis.url,
  };
}

/** Two processes of four services, each with a pool and some sessions of its own. */
const MAX_CONNECTIONS = 300;

async function startPostgres() {
  const folder = mkdtempSync(path.join(tmpdir(), 'flatline-chaos-postgres-'));
  chmodSync(folder, 0o755); // run by root, Postgres becomes another user who must get in
  let onExit: () => void = () => undefined;
  const postgres = await startEmbeddedPostgres({
    dataDir: path.join(folder, 'data'),
    settings: { max_connections: MAX_CONNECTIONS },
    onExit: () => onExit(),
  });
  const reaper = reapWithUs(postgres.pid, folder);
  const network = await NetworkProxy.start(() => postgres.port);
  let frozen: number[] = [];
  const thaw = (): void => {
    for (const pid of frozen.splice(0)) signal(pid, 'SIGCONT');
  };
  const server: ClusterServer = {
    network,
    freeze: () => {
      frozen = freezeTree(postgres.pid);
    },
    thaw,
    kill: async () => {
      const gone = new Promise<void>((resolve) => (onExit = resolve));
      process.kill(postgres.pid, 'SIGKILL');
      await gone;
    },
    start: async () => {
      await postgres.restart();
      reaper.watch([postgres.pid]);
    },
    stop: async () => {
      thaw();
      await network.stop();
      await postgres.stop();
      reaper.release();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const through = new URL(postgres.url);
  through.port = String(network.port);
  return { server, url: postgres.url, env: { DATABASE_URL: through.href } };
}

async function startKafka() {
  // A broker tells its clients where it is reached; so the way there has to be known before the broker is.
  const [port = 0] = await findFreePorts(1);
  const network = await NetworkProxy.start(() => port);
  const kafka = await startTestKafka({
    port,
    settings: { 'advertised.listeners': `INTERNAL://127.0.0.1:${network.port}` },
  });
  const env = { KAFKA_BROKERS: `127.0.0.1:${network.port}`, KAFKA_REPLICATION_FACTOR: '1' };
  return { server: faulty(kafka, network), env };
}

async function startRedis() {
  const redis = await startTestRedis();
  const network = await NetworkProxy.start(() => redis.port);
  const env = { REDIS_URL: `redis://127.0.0.1:${network.port}` };
  return { server: faulty(redis, network), url: redis.url, env };
}

type TestServer = Pick<Awaited<ReturnType<typeof startTestRedis>>, 'pause' | 'resume' | 'kill' | 'start' | 'stop'>;

function faulty(server: TestServer, network: NetworkProxy): ClusterServer {
  return {
    network,
    freeze: () => server.pause(),
    thaw: () => server.resume(),
    kill: () => server.kill(),
    start: () => server.start(),
    stop: async () => {
      await network.stop();
      await server.stop();
    },
  };
}
