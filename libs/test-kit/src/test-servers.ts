import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  defaultCacheDirectory,
  findRedis,
  type Kafka,
  type KafkaOptions,
  provideKafka,
  type Redis,
  type RedisOptions,
  startKafka,
  startRedis,
} from '@flatline/local-servers';

import { isRunning, untilStopped } from './process-tree';
import { reapWithUs } from './reaper';

/**
 * Fetches and installs what {@link startTestKafka} and {@link startTestRedis} need, unless it is there, so that no test
 * waits for it. What cannot be had (no Java, say) is only said: the tests that need it fail with the same sentence.
 */
export async function prepareTestServers(onLog: (line: string) => void): Promise<void> {
  for (const prepare of [() => findRedis(onLog), () => provideKafka(defaultCacheDirectory(), onLog)]) {
    try {
      await prepare();
    } catch (error) {
      onLog(error instanceof Error ? error.message : String(error));
    }
  }
}

/** What a test may do to a server. */
interface TestServer {
  /** SIGSTOP: connections stay open and nothing answers, as on a disk that hangs. Resolves when that is so. */
  pause(): Promise<void>;
  /** Lets a paused server go on. */
  resume(): void;
  /** kill -9. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts again what does not run, on the same port and data; resolves when it answers. */
  start(): Promise<void>;
  /** Ends the server and removes its data. Idempotent. */
  stop(): Promise<void>;
}

export interface TestRedis extends TestServer {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
}

/**
 * Pausing, killing and starting is for all nodes; one node is `nodes[0].kill()`, `nodes[0].signal('SIGSTOP')`,
 * `nodes[0].start()`.
 */
export interface TestKafka extends TestServer, Pick<Kafka, 'brokers' | 'nodes' | 'security'> {
  /** For KAFKA_BROKERS. */
  readonly brokerList: string;
}

/**
 * Starts a real Redis in a folder of its own below the system's temporary folder, on a free port, with the settings the
 * product asks for. It ends with this process, even when that is killed.
 */
export async function startTestRedis(options: Omit<RedisOptions, 'dataDir' | 'onSpawn'> = {}): Promise<TestRedis> {
  const home = new ServerHome('redis');
  const redis: Redis = await home.removeOnFailure(() => startRedis({ ...options, ...home.options }));
  const { server } = redis;
  return {
    url: redis.url,
    port: server.port,
    get pid() {
      return server.pid;
    },
    ...home.control([server], redis.kill),
  };
}

/**
 * Starts a real Kafka in a folder of its own below the system's temporary folder, on free ports: about 2 s for one node.
 * It ends with this process, even when that is killed. The very first start on a machine fetches Kafka and takes up to a
 * minute.
 */
export async function startTestKafka(options: Omit<KafkaOptions, 'dataDir' | 'onSpawn'> = {}): Promise<TestKafka> {
  const home = new ServerHome('kafka');
  const kafka: Kafka = await home.removeOnFailure(() => startKafka({ ...options, ...home.options }));
  return {
    brokers: kafka.brokers,
    brokerList: kafka.brokers.join(','),
    nodes: kafka.nodes,
    security: kafka.security,
    ...home.control(kafka.nodes, kafka.kill),
  };
}

/** The folder of a server, and the guard that neither outlives this process. */
class ServerHome {
  private readonly folder: string;
  private readonly reaper;
  private pids: number[] = [];

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), `flatline-test-${name}-`));
    this.reaper = reapWithUs([], this.folder, 'SIGKILL');
  }

  get options(): { dataDir: string; onSpawn: (pid: number) => void } {
    return {
      dataDir: join(this.folder, 'data'),
      onSpawn: (pid) => {
        this.pids = [...this.pids.filter(isRunning), pid];
        this.reaper.watch(this.pids);
      },
    };
  }

  async removeOnFailure<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await start();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  control(servers: Kafka['nodes'], kill: () => Promise<void>): TestServer {
    const signalAll = (name: NodeJS.Signals): void => servers.forEach((server) => server.signal(name));
    const stop = async (): Promise<void> => {
      await kill(); // nobody reads these data again
      this.remove();
    };
    let stopping: Promise<void> | undefined;
    return {
      pause: async () => {
        signalAll('SIGSTOP');
        await untilStopped(...this.pids.filter(isRunning));
      },
      resume: () => signalAll('SIGCONT'),
      kill,
      start: async () => {
        await Promise.all(servers.map((server) => server.start()));
      },
      stop: () => (stopping ??= stop()),
    };
  }

  private remove(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    this.reaper.release();
  }
}
