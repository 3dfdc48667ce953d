import { PostgresConnection, assertSchemaCompatibility, LATEST_SCHEMA_VERSION, runMigrations } from 'bullmq';
import type { Client, PoolClient } from 'pg';

export const TIMERS_SCHEMA = 'flatline_timers';

/** Claims, completions and arming at the same time; every server process costs memory, so no more. */
const MAX_CONNECTIONS = 3;

/**
 * Moves touch every job row again and again: vacuum by small steps and often, or the index of the due ones grows a tail
 * of dead entries that each look for the next due job has to walk.
 */
const TUNE_TABLES = `
  ALTER TABLE ${TIMERS_SCHEMA}.job SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
  ALTER TABLE ${TIMERS_SCHEMA}.event SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)`;

/**
 * One pool and one LISTEN connection for all queues and workers of the process (BullMQ's own factory opens a pool for
 * each). Migrates on first use, and, unlike its parent, tries again after a failure: the parent remembers the first
 * refused connection for ever.
 */
export class SharedConnection extends PostgresConnection {
  private usable: Promise<void> | undefined;
  private readonly clients = new Set<Client>();

  constructor(connectionString: string) {
    super({
      connectionString,
      schema: TIMERS_SCHEMA,
      max: MAX_CONNECTIONS,
      application_name: 'flatline timers',
      connectionTimeoutMillis: 3_000,
      // A server that accepts and never answers must not hold the worker's loop for ever.
      query_timeout: 10_000,
      idleTimeoutMillis: 10_000,
      keepAlive: true,
      // Losing the last moment's moves in a server crash is harmless (a wake-up comes early, or the sweep finds it);
      // waiting for the disk at every claim and completion is not.
      // Every statement here finds its rows by an index. A plan made while the table was small, and kept for the life of
      // the session, would read all of it for each job later on.
      options: '-c synchronous_commit=off -c enable_seqscan=off -c jit=off',
    });
    const pool = this.pool as unknown as NodeJS.EventEmitter;
    pool.on('connect', (client: Client) => this.remember(client));
  }

  override waitUntilReady(): Promise<void> {
    this.usable ??= this.migrate().catch((error: unknown) => {
      this.usable = undefined;
      throw error;
    });
    return this.usable;
  }

  override async getListenClient(): ReturnType<PostgresConnection['getListenClient']> {
    const client = await super.getListenClient();
    this.remember(client as unknown as Client);
    return client;
  }

  override close(): Promise<void> {
    const closing = super.close();
    this.guard(); // the parent has just taken every listener off the LISTEN client
    return closing;
  }

  /** Drops every connection without the server's help: one that does not answer must not keep the process. */
  cut(): void {
    this.guard();
    for (const client of this.clients) {
      (client as unknown as { connection?: { stream?: { destroy(): void } } }).connection?.stream?.destroy();
    }
  }

  private remember(client: Client): void {
    if (this.clients.has(client)) return;
    this.clients.add(client);
    client.once('end', () => this.clients.delete(client));
    this.guard();
  }

  /** An error of a client that has no listener for it ends the process; a pool takes its own off a client it lends out. */
  private guard(): void {
    for (const client of this.clients) if (!client.listeners('error').includes(ignore)) client.on('error', ignore);
  }

  private async migrate(): Promise<void> {
    const client = (await this.pool.connect()) as unknown as PoolClient;
    let failed = true;
    try {
      // Looks first: a role that may only use the schema can run on one that another has migrated.
      if ((await schemaVersion(client)) < LATEST_SCHEMA_VERSION) {
        await runMigrations(client, TIMERS_SCHEMA);
        await client.query(TUNE_TABLES);
      }
      failed = false;
    } finally {
      client.release(failed);
    }
  }
}

async function schemaVersion(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
    `${TIMERS_SCHEMA}.migration`,
  ]);
  return rows[0]?.there ? assertSchemaCompatibility(client, TIMERS_SCHEMA) : 0;
}

/** Whoever runs the query gets the error too. */
function ignore(): void {}
