import { Client } from 'pg';
import { DataSource, type DataSourceOptions, type Logger as TypeormLogger } from 'typeorm';
import { ApiKeyEntity } from './entities/api-key.entity';
import { ChannelEntity } from './entities/channel.entity';
import { HeartbeatEntity } from './entities/heartbeat.entity';
import { ProjectEntity } from './entities/project.entity';
import { migrations } from './migrations';
import { sqlStateOf } from './sql-state';

/** Everything Flatline keeps lies in this schema; the event log and the timers have schemas of their own. */
export const SCHEMA = 'flatline';

export interface DatabaseOptions {
  readonly databaseUrl: string;
  /** Most connections held at once; each costs the server some megabytes. */
  readonly poolSize?: number;
  /** A statement that is not answered in this time fails; 0: never. Migrations may take as long as they need. */
  readonly queryTimeoutMs?: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string;
  /** Told of every statement that fails, whoever handles it. Never of its parameters. */
  readonly onQueryError?: (error: unknown) => void;
}

const DEFAULT_POOL_SIZE = 10;
const CONNECT_TIMEOUT_MS = 5_000;
/** A server that hangs must not make anybody hang for ever. */
const QUERY_TIMEOUT_MS = 20_000;

/** A data source over the product's schema; raw SQL needs no schema prefix. Not yet connected. */
export function createDataSource(options: DatabaseOptions): DataSource {
  return new DataSource(dataSourceOptions(options));
}

function dataSourceOptions({
  databaseUrl,
  poolSize,
  queryTimeoutMs,
  applicationName,
  onQueryError,
}: DatabaseOptions): DataSourceOptions {
  return {
    type: 'postgres',
    url: databaseUrl,
    schema: SCHEMA,
    entities: [ProjectEntity, ApiKeyEntity, HeartbeatEntity, ChannelEntity],
    migrations,
    migrationsTableName: 'migration',
    synchronize: false,
    applicationName: applicationName ?? 'flatline',
    poolSize: poolSize ?? DEFAULT_POOL_SIZE,
    ...(onQueryError && { logger: new FailedQueries(onQueryError) }),
    extra: {
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: queryTimeoutMs ?? QUERY_TIMEOUT_MS,
      keepAlive: true,
      options: `-c search_path=${SCHEMA} -c timezone=UTC`,
    },
  };
}

/** TypeORM's logger, of which only the failures are of interest. */
class FailedQueries implements TypeormLogger {
  constructor(private readonly onQueryError: (error: unknown) => void) {}

  logQueryError(error: unknown): void {
    this.onQueryError(error);
  }

  logQuery(): void {}
  logQuerySlow(): void {}
  logSchemaBuild(): void {}
  logMigration(): void {}
  log(): void {}
}

/** Only one process migrates at a time; the others wait for it. Any constant of our own will do. */
const MIGRATION_LOCK = 7_310_511;

/** Brings the schema up to date. Its own step: run it before the services of a version start. Safe to run twice. */
export async function migrate(databaseUrl: string): Promise<void> {
  const guard = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // It is idle while migrations run, so nobody hears of its end; unheard it would end the process. Each migration is one
  // transaction, whoever else begins to migrate.
  guard.on('error', () => undefined);
  await guard.connect();
  try {
    await guard.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await guard.query(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`);
    const dataSource = createDataSource({
      databaseUrl,
      poolSize: 1,
      queryTimeoutMs: 0,
      applicationName: 'flatline-migrate',
    });
    await dataSource.initialize();
    try {
      await dataSource.runMigrations({ transaction: 'each' });
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await guard.end();
  }
}

/** SQLSTATEs of a schema or a table that is not there. */
const NOT_MADE_YET: readonly string[] = ['3F000', '42P01'];

/**
 * Whether migrations of this version have not run yet. A schema that is newer is not behind: migrations of the next
 * version run before its services start, and only add.
 */
export async function schemaIsBehind(dataSource: DataSource): Promise<boolean> {
  let done: { name: string }[];
  try {
    done = await dataSource.query<{ name: string }[]>(`SELECT name FROM ${SCHEMA}.migration`);
  } catch (error) {
    if (NOT_MADE_YET.includes(sqlStateOf(error) ?? '')) return true;
    throw error;
  }
  const names = new Set(done.map(({ name }) => name));
  return migrations.some((Migration) => !names.has(new Migration().name));
}

/** Settings without which an acknowledged commit can be lost, and so every promise with it. */
const DURABILITY_SETTINGS: Readonly<Record<string, readonly string[]>> = {
  fsync: ['on'],
  full_page_writes: ['on'],
  synchronous_commit: ['on', 'remote_write', 'remote_apply'],
};

/**
 * The first reason for which this Postgres may lose commits, as a sentence, or null if it keeps them. Services refuse
 * to start on the former.
 */
export async function durabilityProblem(dataSource: DataSource): Promise<string | null> {
  for (const [setting, allowed] of Object.entries(DURABILITY_SETTINGS)) {
    const rows = await dataSource.query<Record<string, string>[]>(`SHOW ${setting}`);
    const value = rows[0]?.[setting];
    if (value === undefined || !allowed.includes(value)) {
      return `Postgres has ${setting}=${value ?? 'unknown'}; Flatline needs ${allowed.join(' or ')}, or it would lose pings it acknowledged.`;
    }
  }
  return null;
}
