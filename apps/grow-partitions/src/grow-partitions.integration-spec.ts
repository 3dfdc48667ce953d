import { randomUUID } from 'node:crypto';
import { shardOf } from '@flatline/domain';
import { type EventLog, inGeneration, openKafkaEventLog, openPostgresEventLog } from '@flatline/event-log';
import {
  DEADLINE_SCHEDULER_GROUP,
  HEARTBEATS_TOPIC,
  INCIDENTS_TOPIC,
  NOTIFIER_GROUP,
  PINGS_TOPIC,
  TOPICS,
} from '@flatline/events';
import {
  createDataSource,
  DatabaseSession,
  migrate,
  PartitioningWatch,
  requirePartitioning,
  requireSameLog,
} from '@flatline/persistence';
import { SystemClock } from '@flatline/service-kernel';
import { createTestDatabase, startTestKafka, type TestDatabase, type TestKafka } from '@flatline/test-kit';
import type { DataSource } from 'typeorm';
import { growPartitions, type Growth } from './grow-partitions';

const FROM = 2;
const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
const at = (second: number): Date => new Date(1_767_225_600_000 + second * 1_000);
const ids = Array.from({ length: 200 }, () => randomUUID());

/** Everything that growing may change, in one value. */
const EVERYTHING = `SELECT json_build_object(
  'facts', (SELECT json_agg(f ORDER BY name) FROM installation_fact f),
  'shards', (SELECT json_agg(r ORDER BY heartbeat_id) FROM heartbeat_runtime r),
  'offsets', (SELECT json_agg(o ORDER BY consumer_group, topic, partition) FROM consumer_offset o),
  'absences', (SELECT json_agg(a ORDER BY shard, started_at) FROM absence a),
  'indexes', (SELECT json_agg(indexdef ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'flatline'))::text AS it`;

describe('growing partitions', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let log: EventLog;

  beforeEach(async () => {
    database = await createTestDatabase('grow');
    await migrate(database.url);
    dataSource = await createDataSource({ databaseUrl: database.url }).initialize();
    log = await openPostgresEventLog({ url: database.url, logger });
  });
  afterEach(async () => {
    await log.close();
    await dataSource.destroy();
    await database.drop();
  });

  const grow = (to: number, stillForMs = 0): Promise<Growth> =>
    growPartitions({ dataSource, log, clock: new SystemClock(), stillForMs }, to);
  const everything = async (): Promise<unknown> => {
    const [row] = await dataSource.query<{ it: string }[]>(EVERYTHING);
    return JSON.parse(row!.it);
  };

  /** An installation as it lies there when all its processes have stopped: everything in the log was read. */
  async function installation(): Promise<void> {
    await requirePartitioning(dataSource, FROM);
    await requireSameLog(dataSource, log.identity());
    await log.ensureTopics(TOPICS.map((topic) => ({ ...topic, partitions: FROM })));
    const producer = await log.producer();
    await producer.append(PINGS_TOPIC, [
      { partition: 0, key: 'a', value: Buffer.from('1') },
      { partition: 1, key: 'b', value: Buffer.from('2') },
      { partition: 1, key: 'b', value: Buffer.from('3') },
    ]);
    await producer.close();
    for (const [group, topic, partition, next] of [
      [DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, 0, 1],
      [DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, 1, 2],
      [DEADLINE_SCHEDULER_GROUP, HEARTBEATS_TOPIC, 0, 0],
      [NOTIFIER_GROUP, INCIDENTS_TOPIC, 1, 0],
    ] as const) {
      const isJudged = topic === PINGS_TOPIC;
      const ingests = { ingests: { dead: { epoch: 1 } }, spells: [{ ingestId: 'dead', from: partition, to: 9 }] };
      await dataSource.query(`INSERT INTO consumer_offset VALUES ($1, $2, $3, $4, $5, $6, $7, now())`, [
        group,
        topic,
        partition,
        log.identity(),
        next,
        isJudged ? at(partition) : null,
        isJudged ? ingests : null,
      ]);
    }
    await dataSource.query(`INSERT INTO absence VALUES (0, $1, $2), (1, $3, $4)`, [at(10), at(11), at(20), at(21)]);
    await dataSource.query(
      `INSERT INTO heartbeat_runtime (heartbeat_id, shard, definition_version, schedule_changed_at, status, wake_at)
       SELECT id, shard, 1, now(), 'up', now() FROM unnest($1::uuid[], $2::int[]) AS u(id, shard)`,
      [ids, ids.map((id) => shardOf(id, FROM))],
    );
  }

  async function expectEverythingToGoOnInEightShards(): Promise<void> {
    await installation();
    const moved = ids.filter((id) => shardOf(id, 8) !== shardOf(id, FROM)).length;
    const indexes = (await everything()) as { indexes: string[] };

    expect(await grow(8)).toMatchObject({ outcome: 'grown', partitions: 8, heartbeats: ids.length, moved });

    const rows = await dataSource.query<{ heartbeat_id: string; shard: number }[]>('SELECT * FROM heartbeat_runtime');
    expect(rows.filter((row) => row.shard !== shardOf(row.heartbeat_id, 8))).toEqual([]);
    const grown = (await everything()) as { indexes: string[]; absences: unknown[] };
    expect(grown.indexes).toEqual(indexes.indexes);
    expect(grown.absences).toHaveLength(8);
    const ofShard7 = await dataSource.query<{ started_at: Date }[]>('SELECT * FROM absence WHERE shard = 7');
    expect(ofShard7.map((row) => row.started_at)).toEqual([at(20)]);

    const identity = log.identity().replace(':g1', ':g2');
    expect(identity).not.toBe(log.identity());
    const offsets = await dataSource.query<Record<string, unknown>[]>(
      `SELECT partition, log_identity, next_offset::int, watermark, ingests FROM consumer_offset
       WHERE topic = $1 ORDER BY partition`,
      [PINGS_TOPIC],
    );
    expect(offsets).toEqual(
      Array.from({ length: 8 }, (_, shard) => ({
        partition: shard,
        log_identity: identity,
        next_offset: 0,
        watermark: at(shard % FROM),
        ingests: { ingests: {}, spells: [{ ingestId: 'dead', from: shard % FROM, to: 9 }] },
      })),
    );
    await requireSameLog(dataSource, identity);
    expect(await requirePartitioning(dataSource, 8)).toEqual({ partitions: 8, generation: 2 });
    await expect(requirePartitioning(dataSource, FROM)).rejects.toThrow(/set PING_PARTITIONS/);
    expect(await inGeneration(log, 2).bounds(PINGS_TOPIC, 7)).toEqual({ start: 0, end: 0 });
    expect(await log.bounds(PINGS_TOPIC, 1)).toEqual({ start: 0, end: 2 });
  }

  it('gives every heartbeat its new shard, and every shard what is true of the one it comes from', async () => {
    await expectEverythingToGoOnInEightShards();
  });

  describe('with the log on Kafka', () => {
    let kafka: TestKafka;
    beforeAll(async () => {
      kafka = await startTestKafka();
    });
    afterAll(() => kafka.stop());
    beforeEach(async () => {
      await log.close();
      log = await openKafkaEventLog({ brokers: kafka.brokers, replicationFactor: 1, logger });
    });

    it('does the same', async () => {
      await expectEverythingToGoOnInEightShards();
    });
  });

  it('changes nothing when there are so many already, and grows again', async () => {
    await installation();
    await grow(4);
    const before = await everything();
    expect(await grow(4)).toEqual({ outcome: 'already', partitions: 4 });
    expect(await everything()).toEqual(before);
    expect(await grow(16)).toMatchObject({ outcome: 'grown' });
    expect(await requirePartitioning(dataSource, 16)).toEqual({ partitions: 16, generation: 3 });
  });

  describe('is refused and changes nothing', () => {
    async function expectRefusal(attempt: () => Promise<Growth>, reason: RegExp): Promise<void> {
      const before = await everything();
      await expect(attempt()).rejects.toThrow(reason);
      expect(await everything()).toEqual(before);
    }

    it('where nothing ever started', async () => {
      await expectRefusal(() => grow(4), /nothing to grow/);
    });

    it('to a number of which the present one is no part, or to less', async () => {
      await installation();
      await expectRefusal(() => grow(3), /multiple of that, for example 4, 8, 16$/);
      await expectRefusal(() => grow(1), /multiple/);
      await expectRefusal(() => grow(2_048), /multiple/);
    });

    it('while a process lives', async () => {
      await installation();
      const session = new DatabaseSession(database.url, () => undefined);
      await new PartitioningWatch(session, { partitions: FROM, generation: 1 }, () => undefined).start();
      await expectRefusal(() => grow(4), /processes of Flatline are connected .*; stop them first/);
      await session.stop();
    });

    it('while a record of any topic has not been read by a group that reads it', async () => {
      await installation();
      const producer = await log.producer();
      await producer.append(INCIDENTS_TOPIC, [{ partition: 0, key: 'c', value: Buffer.from('unread') }]);
      await producer.close();
      await expectRefusal(
        () => grow(4),
        /^1 records of flatline.incidents.v1, partition 0, have not been read by notifier; run/,
      );
    });

    it('while an ingest that Postgres does not see appends', async () => {
      await installation();
      const producer = await log.producer();
      const appending = setInterval(() => {
        void producer
          .append(PINGS_TOPIC, [{ partition: 0, key: 'd', value: Buffer.from('pulse') }])
          .catch(() => undefined);
      }, 400);
      try {
        await expectRefusal(() => grow(4, 1_500), /still appends|have not been read/);
      } finally {
        clearInterval(appending);
        await producer.close();
      }
    });

    it('into topics that hold records', async () => {
      await installation();
      const next = inGeneration(log, 2);
      await next.ensureTopics(TOPICS.map((topic) => ({ ...topic, partitions: 4 })));
      const producer = await next.producer();
      await producer.append(PINGS_TOPIC, [{ partition: 3, key: 'e', value: Buffer.from('whose?') }]);
      await producer.close();
      await expectRefusal(() => grow(4), /generation 2 hold records already/);
    });
  });
});
