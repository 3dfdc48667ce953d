import { randomUUID } from 'node:crypto';
import { shardOf } from '@flatline/domain';
import { eventually, useTestDatabase } from '@flatline/test-kit';
import type { DataSource, EntityManager } from 'typeorm';
import {
  createDataSource,
  DatabaseSession,
  migrate,
  partitioningToChange,
  PartitioningWatch,
  recordPartitioning,
  requirePartitioning,
  shardColumn,
} from './index';

describe('the partitioning of an installation', () => {
  const database = useTestDatabase('partitioning');
  let dataSource: DataSource;
  const sessions: DatabaseSession[] = [];

  beforeAll(async () => {
    await migrate(database.url);
    dataSource = await createDataSource({ databaseUrl: database.url }).initialize();
  });
  beforeEach(() => dataSource.query('DELETE FROM installation_fact'));
  afterEach(() => Promise.all(sessions.splice(0).map((session) => session.stop())));
  afterAll(() => dataSource.destroy());

  /** A process that lives, and what it was told. */
  async function process(partitions: number): Promise<{ session: DatabaseSession; told: string[] }> {
    const session = new DatabaseSession(database.url, () => undefined);
    sessions.push(session);
    const told: string[] = [];
    const startedWith = await requirePartitioning(dataSource, partitions);
    await new PartitioningWatch(session, startedWith, (reason) => told.push(reason)).start();
    return { session, told };
  }
  const growTo = (partitions: number, work?: (manager: EntityManager) => Promise<void>): Promise<string> =>
    dataSource.transaction(async (manager) => {
      const { outcome } = await partitioningToChange(manager);
      if (outcome !== 'changeable') return outcome;
      await recordPartitioning(manager, { partitions, generation: 2 }, 'log:g2');
      await work?.(manager);
      return outcome;
    });

  it('holds a later process to the number of partitions of the first, and says what to set', async () => {
    expect(await requirePartitioning(dataSource, 4)).toEqual({ partitions: 4, generation: 1 });
    expect(await requirePartitioning(dataSource, 4)).toEqual({ partitions: 4, generation: 1 });
    await expect(requirePartitioning(dataSource, 8)).rejects.toThrow(/PING_PARTITIONS is 8.* over 4; set PING_PART/);
  });

  it('changes for nobody while a process lives, and names where that process is', async () => {
    expect(await growTo(8)).toBe('unknown');
    const { session } = await process(4);
    await dataSource.transaction(async (manager) => {
      expect(await partitioningToChange(manager)).toEqual({
        outcome: 'in-use',
        by: [expect.stringMatching(/^\S+, process \d+ of Postgres$/)],
      });
    });
    await session.stop();
    expect(await eventually(() => growTo(8))).toBe('changeable');
    expect(await requirePartitioning(dataSource, 8)).toEqual({ partitions: 8, generation: 2 });
  });

  it('ends a process that starts while it changes', async () => {
    await requirePartitioning(dataSource, 4);
    await growTo(8, async () => {
      expect((await process(4)).told).toEqual([expect.stringMatching(/being grown; start again/)]);
    });
  });

  it('ends a process that lost its session while it changed', async () => {
    const { told } = await process(4);
    await dataSource.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'flatline session' AND datname = current_database()`,
    );
    expect(await growTo(8)).toBe('changeable');
    await eventually(() => expect(told).toEqual([expect.stringMatching(/grown to 8; set PING_PARTITIONS/)]));
  });

  it.each([1, 4, 32, 1_024])('computes the shard among %s in SQL as the domain does', async (partitions) => {
    const ids = Array.from({ length: 2_000 }, () => randomUUID());
    const rows = await dataSource.query<{ id: string; shard: number }[]>(
      `SELECT id, ${shardColumn('id', '$2')} AS shard FROM unnest($1::uuid[]) AS id`,
      [ids, partitions],
    );
    expect(rows).toEqual(ids.map((id) => ({ id, shard: shardOf(id, partitions) })));
  });
});
