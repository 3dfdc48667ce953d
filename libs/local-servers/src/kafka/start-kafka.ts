import * as fs from 'node:fs';

import { defaultCacheDirectory } from '../cache-directory';
import { findFreePorts } from '../free-ports';
import { LocalServer } from '../local-server';
import { findJava } from '../programs';
import { provideClassArchive } from './class-archive';
import { type KafkaRuntime } from './jvm';
import { KafkaCluster, type SecurityKind } from './kafka-cluster';
import { provideKafkaJars } from './kafka-jars';
import { describeNode } from './kafka-node';
import { type KafkaSecurity, type KafkaSettings, type NodePorts } from './server-properties';
import { type KafkaTuning } from './tuning';

export interface KafkaOptions {
  /** where everything is kept; made when missing. The caller sees to it that nobody else uses it. */
  dataDir: string;
  /** where Kafka itself is kept once it was fetched; default `~/.cache/flatline` or below `$XDG_CACHE_HOME` */
  cacheDir?: string;
  /** brokers, each a voter on the metadata too; default 1. From 3 on, one may be away. The data are of one number. */
  nodes?: number;
  /** where node 1 listens to clients, node 2 one higher and so on; default: free ports */
  port?: number;
  /** `sasl-tls`: clients need TLS and a password; default `none` */
  security?: SecurityKind;
  /** default `quick` */
  tuning?: KafkaTuning;
  /** added to, or instead of, the settings in server-properties.ts */
  settings?: KafkaSettings;
  /** a line about what takes long, for the person who waits */
  onLog?: (line: string) => void;
  /** told of each process at once, before it is ready */
  onSpawn?: (pid: number) => void;
}

/** A running Kafka on 127.0.0.1. */
export interface Kafka {
  /** `host:port` of every node */
  readonly brokers: string[];
  /** by node id, from 1: the first is node 1 */
  readonly nodes: LocalServer[];
  /** what clients have to say and trust; null without security */
  readonly security: KafkaSecurity | null;
  /** Ends all nodes, one after the other; about half a second each. The data stay, for the next `startKafka`. */
  stop(): Promise<void>;
  /** kill -9 of all nodes. */
  kill(): Promise<void>;
}

/**
 * Starts a Kafka on the data in a folder:
 *
 * 1. fetch Kafka with Maven into the cache, once per machine, and prepare it for fast starts;
 * 2. make the files of the cluster at the first start;
 * 3. end what an earlier, killed start left running;
 * 4. start every node and wait until it answers.
 *
 * Ports are chosen anew by each `startKafka`; a node that is started again keeps its own. Throws MissingProgram,
 * ProvisioningFailed, OtherCluster, ServerDidNotStart; then nothing runs.
 */
export async function startKafka(options: KafkaOptions): Promise<Kafka> {
  const { nodes = 1, security = 'none', settings, tuning, onSpawn, onLog = () => undefined } = options;
  const runtime = await provideKafka(options.cacheDir ?? defaultCacheDirectory(), onLog);
  fs.mkdirSync(options.dataDir, { recursive: true });
  const cluster = await KafkaCluster.open(fs.realpathSync(options.dataDir), { nodes, security }, runtime);
  const ports = await choosePorts(nodes, security, options.port);
  const servers = ports.map((_, index) => {
    const node = { nodeId: index + 1, ports, settings, tuning, onSpawn };
    return new LocalServer(describeNode(runtime, cluster, node));
  });
  const kill = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.kill()));
  };
  try {
    await Promise.all(servers.map((server) => server.start()));
  } catch (error) {
    await kill();
    throw error;
  }
  return {
    brokers: servers.map(({ address }) => address),
    nodes: servers,
    security: publicPart(cluster.security),
    stop: () => stopInTurn(servers),
    kill,
  };
}

/** Fetches and prepares what `startKafka` needs, unless it is there: a second or two less, or a minute, at the start. */
export async function provideKafka(cacheDir: string, onLog: (line: string) => void): Promise<KafkaRuntime> {
  const java = await findJava();
  const jars = await provideKafkaJars(cacheDir, onLog);
  return { java, jars, classArchive: await provideClassArchive(java, jars, onLog) };
}

/**
 * A node hands over what it leads before it ends, for which it needs a majority of the nodes, itself included. Those that
 * are left without one would wait for it in vain, and are killed: what they acknowledged lies with the kernel.
 */
async function stopInTurn(servers: LocalServer[]): Promise<void> {
  const minority = servers.length - (Math.floor(servers.length / 2) + 1);
  for (const server of servers.slice(0, minority + 1)) await server.stop();
  await Promise.all(servers.slice(minority + 1).map((server) => server.kill()));
}

async function choosePorts(nodes: number, security: SecurityKind, first?: number): Promise<NodePorts[]> {
  const free = await findFreePorts(nodes * 3);
  return Array.from({ length: nodes }, (_, index) => {
    const [chosen = 0, controller = 0, internal = 0] = free.slice(index * 3);
    const client = first === undefined ? chosen : first + index;
    return { client, controller, internal: security === 'none' ? client : internal };
  });
}

function publicPart(security: KafkaSecurity | null): KafkaSecurity | null {
  if (security === null) return null;
  const { caFile, username, password } = security;
  return { caFile, username, password };
}
