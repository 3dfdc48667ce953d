import { createTestDatabase, type TestDatabase } from '@flatline/test-kit';
import type { DataSource, EntityManager } from 'typeorm';
import { createDataSource } from './data-source';
import { type PreparedStatement, runPrepared } from './prepared-statement';

/** As the scheduler looks up rows by many ids. */
const LOOK_UP: PreparedStatement = { name: 'look_up', text: 'SELECT id, note FROM thing WHERE id = ANY($1::int[])' };

describe('prepared statements', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeEach(async () => {
    database = await createTestDatabase('prepared');
    // One connection, so that all of a test happens on it.
    dataSource = createDataSource({ databaseUrl: database.url, poolSize: 1 });
    await dataSource.initialize();
    await dataSource.query('CREATE SCHEMA flatline');
    await dataSource.query('CREATE TABLE thing (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off)');
    await dataSource.query(`INSERT INTO thing SELECT id, 'a note' FROM generate_series(1, 20) AS id`);
  });

  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const lookUp = (manager: EntityManager, ids: number[] = [1, 2]): Promise<{ id: number; note: string }[]> =>
    runPrepared(manager, LOOK_UP, [ids]);

  const uses = (count: number): Promise<void> =>
    dataSource.transaction(async (manager) => {
      for (let use = 0; use < count; use += 1) await lookUp(manager);
    });

  const prepared = (): Promise<{ name: string; uses: number }[]> =>
    dataSource.query(`SELECT name, (generic_plans + custom_plans)::int AS uses FROM pg_prepared_statements`);

  it('are read once on a connection and used by every transaction after that', async () => {
    const rows = await dataSource.transaction((manager) => lookUp(manager, [3]));
    await uses(9);

    expect(rows).toEqual([{ id: 3, note: 'a note' }]);
    expect(await prepared()).toEqual([{ name: 'look_up', uses: 10 }]);
  });

  it('answer rows and their number for an UPDATE, like any other', async () => {
    const statement = { name: 'mark', text: `UPDATE thing SET note = 'new' WHERE id < $1` };

    expect(await dataSource.transaction((manager) => runPrepared(manager, statement, [4]))).toEqual([[], 3]);
  });

  it('stay usable after a transaction of theirs failed', async () => {
    const failing = dataSource.transaction(async (manager) => {
      await lookUp(manager);
      await runPrepared(manager, LOOK_UP, [['no number']]);
    });

    await expect(failing).rejects.toMatchObject({ code: '22P02' });
    expect(await dataSource.transaction((manager) => lookUp(manager))).toHaveLength(2);
  });

  it('go on when a migration adds a column', async () => {
    await uses(10);
    await dataSource.query('ALTER TABLE thing ADD COLUMN more text');

    expect(await dataSource.transaction((manager) => lookUp(manager))).toHaveLength(2);
  });

  /** Guarded by `USES_OF_PLANS` in prepared-statement.ts: without it the whole table is read until it is analyzed. */
  it('are planned anew before long, because a plan for a small table is a bad one when it has grown', async () => {
    const plan = async (): Promise<string> =>
      JSON.stringify(await dataSource.query(`EXPLAIN EXECUTE look_up('{1,2,3,4,5,6,7,8,9,10}')`));
    await dataSource.query('ANALYZE thing');
    await uses(10);
    expect(await plan()).toContain('Seq Scan');

    await dataSource.query(`INSERT INTO thing SELECT id, 'a note' FROM generate_series(21, 20000) AS id`);
    await uses(600);

    expect(await plan()).toContain('Index Scan');
  });

  it('are refused outside a transaction', async () => {
    await expect(lookUp(dataSource.manager)).rejects.toThrow('look_up needs a transaction');
  });
});
