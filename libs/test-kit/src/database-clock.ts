import { Client } from 'pg';
import { assertTestDatabase } from './test-database';

/**
 * Lets a test set the clock of a database, as its event log sees it. Connections opened afterwards, and without a search
 * path of their own, find `clock_timestamp()` in a schema of the test first.
 *
 * @returns a function that sets how far the clock is ahead of the machine's, ms; negative: behind
 */
export async function useDatabaseClock(url: string): Promise<(aheadMs: number) => Promise<void>> {
  const database = assertTestDatabase(url);
  const run = async (sql: string): Promise<void> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };
  await run(`CREATE SCHEMA test_clock;
    CREATE TABLE test_clock.ahead AS SELECT interval '0' AS by;
    CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
      'SELECT pg_catalog.clock_timestamp() + by FROM test_clock.ahead';
    ALTER DATABASE ${database} SET search_path = test_clock, pg_catalog, public`);
  return (aheadMs) => run(`UPDATE test_clock.ahead SET by = interval '1 ms' * ${aheadMs}`);
}
