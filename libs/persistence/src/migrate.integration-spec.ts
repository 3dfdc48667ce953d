import { eventually, useTestDatabase } from '@flatline/test-kit';
import { Client } from 'pg';
import { createDataSource, migrate, schemaIsBehind } from './index';

describe('migrations', () => {
  const database = useTestDatabase('migrate');

  it('go on, and so does their process, when the session that holds their lock is ended', async () => {
    // Guarded by the listener of `guard` in libs/persistence/src/data-source.ts: unheard, its end is an uncaught error.
    await migrate(database.url);
    const [other, looking] = [new Client(database.url), new Client(database.url)];
    await Promise.all([other.connect(), looking.connect()]);
    await other.query('BEGIN; LOCK TABLE flatline.migration IN ACCESS EXCLUSIVE MODE');
    const migrating = migrate(database.url);
    await eventually(async () => {
      const { rows } = await looking.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle' AND query LIKE 'CREATE SCHEMA IF NOT EXISTS%'
           AND EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'flatline-migrate' AND wait_event_type = 'Lock')`,
      );
      expect(rows).toHaveLength(1);
    });
    await other.query('ROLLBACK');
    await Promise.all([other.end(), looking.end()]);
    await migrating;
    const dataSource = await createDataSource({ databaseUrl: database.url }).initialize();
    expect(await schemaIsBehind(dataSource)).toBe(false);
    await dataSource.destroy();
  });
});
