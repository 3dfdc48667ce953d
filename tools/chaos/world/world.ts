import { mkdirSync } from 'node:fs';
import * as path from 'node:path';
import { loadConfig } from '@flatline/service-kernel';
import { ADMIN_KEY, ApiSession, type Flatline, startCluster } from '@flatline/test-kit';
import { Pool } from 'pg';
import { PROCESSES } from '../faults/plan-faults';
import type { JournalWriter } from '../journal/journal-file';
import { randomOf } from '../random';
import { Processes } from './processes';
import { type NotingReceiver, startReceiver } from './receivers';
import { type Servers, startServers } from './servers';

/** All that a run is done to. */
export interface World {
  readonly cluster: Flatline;
  readonly processes: Processes;
  readonly servers: Servers;
  /** Straight to Postgres; its queries fail while Postgres is away. */
  readonly database: Pool;
  readonly api: ApiSession;
  readonly receivers: readonly NotingReceiver[];
  /** Holds a file for each process, by which its clock is shifted. */
  readonly clockDir: string;
  readonly partitions: number;
  readonly leaseMs: number;
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly seed: number;
  /** Gets the data and logs of the cluster. */
  readonly folder: string;
  readonly journal: JournalWriter;
}

const PARTITIONS = 8;
const READY_WITHIN_MS = 120_000;
/** A look that takes longer has failed. */
const QUERY_TIMEOUT_MS = 2_000;

/** Starts servers, the cluster on them, and receivers that its channels tell. Linux only. */
export async function startWorld({ seed, folder, journal }: WorldOptions): Promise<World> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each().catch((error: unknown) => console.error(error));
  };
  try {
    const servers = await startServers();
    for (const name of ['Postgres', 'Kafka', 'Redis'] as const) stops.push(() => servers[name].stop());
    const clockDir = path.join(folder, 'clocks');
    mkdirSync(clockDir, { recursive: true });
    const env = { ...servers.env, PING_PARTITIONS: String(PARTITIONS), CLUSTER_CLOCK_OFFSET_DIR: clockDir };
    const cluster = await startCluster({ dataDir: path.join(folder, 'data'), env });
    stops.push(() => cluster.stop({ withinMs: 30_000 }).catch(() => cluster.killTree()));
    await cluster.ready({ withinMs: READY_WITHIN_MS });
    await cluster.process.line(/^Flatline is ready/, { withinMs: READY_WITHIN_MS });

    const receivers = await Promise.all([
      startReceiver('steady', journal, null),
      startReceiver('flaky', journal, randomOf(seed, 'flaky receiver')),
    ]);
    for (const receiver of receivers) stops.push(() => receiver.stop());
    const api = new ApiSession(cluster.baseUrl, ADMIN_KEY);
    for (const { name, url } of receivers) {
      await api.call('POST', '/channels', { kind: 'webhook', name, settings: { url } });
    }
    const database = new Pool({
      ...{ connectionString: servers.databaseUrl, max: 4, options: '-c search_path=flatline' },
      ...{ connectionTimeoutMillis: QUERY_TIMEOUT_MS, query_timeout: QUERY_TIMEOUT_MS },
    });
    database.on('error', () => undefined); // of a connection that nobody uses, when Postgres is killed
    stops.push(() => database.end());
    const processes = new Processes(cluster);
    stops.push(async () => processes.thaw(processes.freeze(...PROCESSES))); // whatever a fault has left frozen
    return {
      ...{ cluster, processes, servers, database, api, receivers, clockDir, stop },
      partitions: PARTITIONS,
      leaseMs: loadConfig({}).INGEST_LEASE_SECONDS * 1000,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
