import type { Pool, QueryResult, QueryResultRow } from 'pg';
import type { NetworkName, ServerName } from '../faults/fault';
import type { JournalWriter } from '../journal/journal-file';
import type { Processes } from './processes';
import type { NetworkProxy } from './proxy';
import type { FaultyServer } from './servers';

/** Straight to Postgres; a query fails while Postgres is away, or takes longer than a look may. */
export interface Database {
  query<Row extends QueryResultRow>(sql: string): Promise<Pick<QueryResult<Row>, 'rows'>>;
}

/** A running Flatline, and what faults can be made to. Names that it does not have are those of another world. */
export interface Installation {
  /** What jobs and people know, through whatever network faults can make worse. */
  readonly baseUrl: string;
  readonly processes: Processes;
  readonly servers: ReadonlyMap<string, FaultyServer>;
  readonly networks: ReadonlyMap<string, NetworkProxy>;
  readonly database: Database;
  readonly redisUrl: string | null;
  /** Holds a file for each process, by which its clock is shifted. */
  readonly clockDir: string;
  readonly partitions: number;
}

export interface InstallationOptions {
  /** Gets its data and logs. */
  readonly folder: string;
  readonly clockDir: string;
  readonly journal: JournalWriter;
  /** Notes what is to be done in the end, the last first. */
  readonly atTheEnd: (step: () => Promise<unknown>) => void;
}

export const READY_WITHIN_MS = 120_000;
/** A look that takes longer has failed. */
const QUERY_TIMEOUT_MS = 2_000;

/** Settings of a pool for looking. */
export function lookingAt(connectionString: string): ConstructorParameters<typeof Pool>[0] {
  return {
    ...{ connectionString, max: 4, options: '-c search_path=flatline' },
    ...{ connectionTimeoutMillis: QUERY_TIMEOUT_MS, query_timeout: QUERY_TIMEOUT_MS },
  };
}

/** Servers and networks under the names that faults have for them. */
export function byName<Value>(entries: Partial<Record<ServerName | NetworkName, Value>>): Map<string, Value> {
  return new Map(Object.entries(entries) as [string, Value][]);
}
