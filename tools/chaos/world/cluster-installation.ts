import * as path from 'node:path';
import { type ClusterPart, type Flatline, pidOfPart, startCluster } from '@flatline/test-kit';
import { Pool } from 'pg';
import { CLUSTER_PROCESSES, CLUSTER_SERVERS } from '../faults/fault';
import { byName, type Installation, type InstallationOptions, lookingAt, READY_WITHIN_MS } from './installation';
import { Processes } from './processes';
import { startServers } from './servers';

const PARTITIONS = 8;

/** Starts servers and the cluster on them. */
export async function startClusterInstallation(options: InstallationOptions): Promise<Installation> {
  const { folder, clockDir, atTheEnd } = options;
  const servers = await startServers();
  for (const name of CLUSTER_SERVERS) atTheEnd(() => servers[name].stop());
  const { Postgres, Kafka, Redis } = servers;
  const env = { ...servers.env, PING_PARTITIONS: String(PARTITIONS), CLUSTER_CLOCK_OFFSET_DIR: clockDir };
  const cluster = await startCluster({ dataDir: path.join(folder, 'data'), env });
  atTheEnd(() => cluster.stop({ withinMs: 30_000 }).catch(() => cluster.killTree()));
  await cluster.ready({ withinMs: READY_WITHIN_MS });
  await cluster.process.line(/^Flatline is ready/, { withinMs: READY_WITHIN_MS });
  const database = new Pool(lookingAt(servers.databaseUrl));
  database.on('error', () => undefined); // of a connection that nobody uses, when Postgres is killed
  atTheEnd(() => database.end());
  const processes = new Processes((name) => pidsOf(cluster, name as ClusterPart));
  atTheEnd(async () => processes.thaw(processes.freeze(...CLUSTER_PROCESSES))); // whatever a fault has left frozen
  return {
    ...{ baseUrl: cluster.baseUrl, processes, database, clockDir, redisUrl: servers.redisUrl, partitions: PARTITIONS },
    servers: byName({ Postgres, Kafka, Redis }),
    networks: byName({ Postgres: Postgres.network, Kafka: Kafka.network, Redis: Redis.network }),
  };
}

/** None while it was killed by an earlier fault and is not back yet. */
function pidsOf(cluster: Flatline, part: ClusterPart): number[] {
  try {
    return [pidOfPart(cluster, part)];
  } catch {
    return [];
  }
}
