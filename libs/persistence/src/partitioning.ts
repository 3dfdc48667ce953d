import type { DataSource, EntityManager } from 'typeorm';
import type { DatabaseSession, SessionListener } from './database-session';
import { InstallationMismatch, replaceLogFact } from './installation-facts';

/** Over how many partitions the heartbeats are spread, and which generation of topics has that many. */
export interface Partitioning {
  readonly partitions: number;
  /** From 1; one more each time the partitions have grown. */
  readonly generation: number;
}

/**
 * Every process holds this lock shared for as long as it lives, whoever grows the partitions holds it alone. Any
 * constant of our own will do.
 */
const PARTITIONING_LOCK = 7_310_514;

/** Whoever answers a query with rows: a manager of TypeORM, or a session. */
interface Querying {
  query(sql: string): Promise<unknown>;
}

/** Null before the first process has started. */
export async function readPartitioning(querying: Querying): Promise<Partitioning | null> {
  const rows = (await querying.query(
    `SELECT name, value FROM installation_fact WHERE name IN ('ping_partitions', 'topic_generation')`,
  )) as { name: string; value: number }[];
  const facts = new Map(rows.map((row) => [row.name, row.value]));
  const partitions = facts.get('ping_partitions');
  return partitions === undefined ? null : { partitions, generation: facts.get('topic_generation') ?? 1 };
}

/**
 * Records the number of partitions at the first start of an installation, and holds every later process to it.
 *
 * @throws InstallationMismatch that says what to set
 */
export async function requirePartitioning(dataSource: DataSource, partitions: number): Promise<Partitioning> {
  let stored = await readPartitioning(dataSource.manager);
  if (stored === null) {
    await dataSource.query(
      `INSERT INTO installation_fact (name, value) VALUES ('ping_partitions', $1) ON CONFLICT DO NOTHING`,
      [JSON.stringify(partitions)],
    );
    stored = await readPartitioning(dataSource.manager);
  }
  if (stored?.partitions === partitions) return stored;
  throw new InstallationMismatch(
    `PING_PARTITIONS is ${partitions}, but the heartbeats of this installation are spread over ` +
      `${stored?.partitions ?? 'another number'}; set PING_PARTITIONS to that`,
  );
}

export type PartitioningToChange =
  | { readonly outcome: 'changeable'; readonly partitioning: Partitioning }
  /** Addresses of processes that live. */
  | { readonly outcome: 'in-use'; readonly by: readonly string[] }
  | { readonly outcome: 'unknown' };

/** Takes the partitioning for a transaction that changes it: until its end no process can start. */
export async function partitioningToChange(manager: EntityManager): Promise<PartitioningToChange> {
  const [lock] = await manager.query<{ held: boolean }[]>('SELECT pg_try_advisory_xact_lock($1) AS held', [
    PARTITIONING_LOCK,
  ]);
  if (!lock?.held) return { outcome: 'in-use', by: await holders(manager) };
  const partitioning = await readPartitioning(manager);
  return partitioning ? { outcome: 'changeable', partitioning } : { outcome: 'unknown' };
}

async function holders(manager: EntityManager): Promise<string[]> {
  const rows = await manager.query<{ address: string }[]>(
    `SELECT coalesce(host(client_addr), 'local') || ', process ' || pid || ' of Postgres' AS address
     FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND granted AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND classid = 0 AND objid = $1 ORDER BY pid`,
    [PARTITIONING_LOCK],
  );
  return rows.map((row) => row.address);
}

/** Records what {@link partitioningToChange} was changed to, in the same transaction. */
export async function recordPartitioning(
  manager: EntityManager,
  { partitions, generation }: Partitioning,
  logIdentity: string,
): Promise<void> {
  for (const [name, value] of [
    ['ping_partitions', partitions],
    ['topic_generation', generation],
  ]) {
    await manager.query(
      `INSERT INTO installation_fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
      [name, JSON.stringify(value)],
    );
  }
  await replaceLogFact(manager, logIdentity);
}

/** `shardOf` of the domain library as an SQL expression, for updates of many rows. Both are plain expressions. */
export function shardColumn(heartbeatId: string, partitions: string): string {
  const firstFourBytes = `left(encode(sha256(convert_to(${heartbeatId}::text, 'UTF8')), 'hex'), 8)`;
  return `((('x' || ${firstFourBytes})::bit(32)::bigint) % ${partitions}::int)::int`;
}

/**
 * Keeps the partitions from growing under a process that lives, and ends a process under which they grew nevertheless,
 * while its session was lost.
 */
export class PartitioningWatch implements SessionListener {
  /** Nothing is ever notified: who grows the partitions holds the lock alone, so there is nobody to tell. */
  readonly channel = 'flatline_partitioning';

  constructor(
    private readonly session: DatabaseSession,
    private readonly startedWith: Partitioning,
    /** One sentence; this process must end. */
    private readonly onOvertaken: (reason: string) => void,
  ) {}

  /** @throws when the session cannot be connected */
  start(): Promise<void> {
    return this.session.listen(this);
  }

  onNotification(): void {}

  /** The lock first and the facts afterwards: under the lock they cannot change. */
  async onConnected(): Promise<void> {
    const [lock] = await this.session.query<{ held: boolean }>('SELECT pg_try_advisory_lock_shared($1) AS held', [
      PARTITIONING_LOCK,
    ]);
    if (!lock?.held) return this.onOvertaken('the partitions are being grown; start again when that is done');
    const now = await readPartitioning(this.session);
    if (now?.generation === this.startedWith.generation && now.partitions === this.startedWith.partitions) return;
    this.onOvertaken(`the partitions have grown to ${now?.partitions}; set PING_PARTITIONS to that`);
  }
}
