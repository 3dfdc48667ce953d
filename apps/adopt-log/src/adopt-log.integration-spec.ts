import { type EventLog, inGeneration, openKafkaEventLog, openPostgresEventLog } from '@flatline/event-log';
import { DEADLINE_SCHEDULER_GROUP, INCIDENTS_TOPIC, NOTIFIER_GROUP, PINGS_TOPIC, TOPICS } from '@flatline/events';
import {
  createDataSource,
  DatabaseSession,
  migrate,
  nextOffset,
  noteCutOff,
  PartitioningWatch,
  requirePartitioning,
  requireSameLog,
} from '@flatline/persistence';
import { SystemClock } from '@flatline/service-kernel';
import { createTestDatabase, eventually, startTestKafka, type TestDatabase, type TestKafka } from '@flatline/test-kit';
import type { DataSource } from 'typeorm';
import { adoptLog } from './adopt';
import { lowerWatermark } from './lower-watermark';
import { findMisplaced, type Misplaced, type Wanted } from './misplaced';

const WATERMARK = new Date('2026-01-31T12:00:00.000Z');
const INGESTS = { ingests: { one: { epoch: 7, lowWatermark: WATERMARK.getTime() + 500 } }, spells: [] };
const topics = TOPICS.map((topic) => ({ ...topic, partitions: 1 }));

describe.each(['postgres', 'kafka'])('adopting a log on %s', (adapter) => {
  let kafka: TestKafka | undefined;
  let database: TestDatabase;
  let dataSource: DataSource;
  let log: EventLog;
  const errors: string[] = [];
  const logger = {
    info: () => undefined,
    warn: () => undefined,
    error: (_: unknown, text: string) => void errors.push(text),
  };

  beforeAll(async () => {
    if (adapter === 'kafka') kafka = await startTestKafka();
    database = await createTestDatabase('adopt');
    await migrate(database.url);
    dataSource = await createDataSource({ databaseUrl: database.url }).initialize();
    log = kafka
      ? await openKafkaEventLog({ brokers: kafka.brokers, replicationFactor: 1, logger })
      : await openPostgresEventLog({ url: database.url, logger });
    await log.ensureTopics(topics);
    await requirePartitioning(dataSource, 1);
    await requireSameLog(dataSource, log.identity());
    const producer = await log.producer();
    await producer.append(
      PINGS_TOPIC,
      ['1', '2', '3'].map((value) => ({ partition: 0, key: 'a', value: Buffer.from(value) })),
    );
  });
  afterAll(async () => {
    await log.close();
    await dataSource.destroy();
    await database.drop();
    await kafka?.stop();
  });
  beforeEach(async () => {
    await dataSource.query('DELETE FROM consumer_offset');
    await dataSource.query('DELETE FROM absence');
    await stand(DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, 3);
    await stand(NOTIFIER_GROUP, INCIDENTS_TOPIC, 0);
  });

  const stand = (group: string, topic: string, position: number, identity = log.identity()): Promise<unknown> =>
    dataSource.query(
      `INSERT INTO consumer_offset VALUES ($1, $2, 0, $3, $4, $5, $6, now())
       ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET next_offset = $4, log_identity = $3`,
      [
        group,
        topic,
        identity,
        position,
        topic === PINGS_TOPIC ? WATERMARK : null,
        topic === PINGS_TOPIC ? INGESTS : null,
      ],
    );
  const adopt = (wanted: Wanted = {}, parts: { log?: EventLog } = {}): Promise<readonly Misplaced[]> =>
    adoptLog({ dataSource, log, clock: new SystemClock(), topics, stillForMs: 0, ...parts }, wanted);
  const positions = async (): Promise<unknown[]> =>
    dataSource.query(
      `SELECT topic, log_identity AS identity, next_offset::int AS position, watermark, ingests FROM consumer_offset
       ORDER BY topic`,
    );
  const misplacements = async (of = log): Promise<string[]> =>
    (await findMisplaced(dataSource.manager, of, {})).map(({ group, why }) => `${group} ${why}`);
  const untouched = () => ({
    topic: INCIDENTS_TOPIC,
    identity: log.identity(),
    position: 0,
    watermark: null,
    ingests: null,
  });
  const adopted = (position: number) => ({
    topic: PINGS_TOPIC,
    identity: log.identity(),
    position,
    watermark: WATERMARK,
    ingests: { ingests: {}, spells: [], adoptedAt: expect.any(Number) },
  });

  /** Guarded by `misplacement` in misplaced.ts and (3) of `adoptLog` in adopt.ts. */
  it('stands still loudly where the log ends before the position, and goes on from its start once it is adopted', async () => {
    await stand(DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, 100);
    const at = { group: DEADLINE_SCHEDULER_GROUP, topic: PINGS_TOPIC, partition: 0 };
    const read: string[] = [];
    const subscription = await log.consume({
      topic: PINGS_TOPIC,
      group: 'reader',
      maxRecords: 10,
      handler: {
        position: () => nextOffset(dataSource.manager, at, { identity: log.identity(), start: 0 }, 0),
        handle: async (_partition, records) => void read.push(...records.map(({ value }) => value.toString())),
      },
    });
    await eventually(() => expect(log.troubles()).toEqual([expect.objectContaining({ kind: 'outside' })]));
    expect(errors).toContainEqual(
      expect.stringMatching(/lies outside the log, which holds 0 up to 3; .*adopt-log\/main\.js$/),
    );

    expect(await misplacements()).toEqual(['deadline-scheduler truncated']);
    const startedAt = Date.now();
    await adopt();
    expect(await positions()).toEqual([untouched(), adopted(0)]);
    const [absence] =
      await dataSource.query<{ shard: number; started_at: Date; ended_at: Date }[]>('SELECT * FROM absence');
    expect(absence).toMatchObject({ shard: 0, started_at: WATERMARK });
    expect(absence!.ended_at.getTime()).toBeGreaterThanOrEqual(startedAt);
    await eventually(() => expect(read).toEqual(['1', '2', '3']), { withinMs: 15_000 });
    expect(log.troubles()).toEqual([]);
    await subscription.close();
  });

  it('goes on at the first record that was kept where those before it were dropped unread', async () => {
    const expired: EventLog = { ...inGeneration(log, 1), bounds: async () => ({ start: 2, end: 3 }) };
    await stand(NOTIFIER_GROUP, INCIDENTS_TOPIC, 1);
    await stand(DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, 2);
    expect(await misplacements(expired)).toEqual(['notifier expired']);
    await adopt({}, { log: expired });
    expect(await positions()).toEqual([
      { ...untouched(), position: 2 },
      { ...adopted(2), ingests: INGESTS },
    ]);
    expect(await dataSource.query('SELECT 1 FROM absence')).toEqual([]);
  });

  /** Guarded by `refuseWhileAnybodyLives` in adopt.ts and `requireSameLog` in installation-facts.ts. */
  it('takes another log over once no process lives in the old one', async () => {
    await stand(DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, 3, 'another:log:g1');
    await stand(NOTIFIER_GROUP, INCIDENTS_TOPIC, 0, 'another:log:g1');
    await dataSource.query(`UPDATE installation_fact SET value = '"another:log:g1"' WHERE name = 'event_log'`);
    await expect(requireSameLog(dataSource, log.identity())).rejects.toThrow(/adopt-log/);
    const session = new DatabaseSession(database.url, () => undefined);
    try {
      await new PartitioningWatch(session, { partitions: 1, generation: 1 }, () => undefined).start();
      await expect(adopt()).rejects.toThrow(/connected .*; stop them first/);
    } finally {
      await session.stop();
    }
    await eventually(() => adopt({}));
    expect(await positions()).toEqual([untouched(), adopted(0)]);
    await requireSameLog(dataSource, log.identity());
  });

  it('refuses while nothing is wrong, or while somebody reads, and changes nothing', async () => {
    await expect(adopt()).rejects.toThrow(/holds every position/);
    await stand(DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, 100);
    await expect(adopt({ group: NOTIFIER_GROUP })).rejects.toThrow(/holds every position/);
    const meanwhile: EventLog = {
      ...inGeneration(log, 1),
      bounds: async (topic, partition) => {
        await stand(DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, 101);
        return log.bounds(topic, partition);
      },
    };
    await expect(adopt({}, { log: meanwhile })).rejects.toThrow(/moves: somebody reads it/);
    expect(await dataSource.query('SELECT 1 FROM absence')).toEqual([]);
  });

  /** Guarded by `noteCutOff` in libs/persistence/src/consumer-offsets.ts. */
  it('stands where the log ended before the position, however far it has grown since, until it is adopted', async () => {
    const at = { group: DEADLINE_SCHEDULER_GROUP, topic: INCIDENTS_TOPIC, partition: 0 };
    await stand(at.group, at.topic, 2);
    const read: string[] = [];
    const position = () => nextOffset(dataSource.manager, at, { identity: log.identity(), start: 0 }, 0);
    const subscription = await log.consume({
      topic: at.topic,
      group: 'cut off',
      maxRecords: 10,
      handler: {
        position,
        outOfRange: (_partition, found) => noteCutOff(dataSource.manager, at, found, Date.now()),
        handle: async (_partition, records) => void read.push(...records.map(({ value }) => value.toString())),
      },
    });
    await eventually(() => expect(position()).rejects.toThrow(/has ended before position 2 of .*adopt-log/));
    const producer = await log.producer();
    const values = ['a', 'b', 'c', 'd'];
    await producer.append(
      INCIDENTS_TOPIC,
      values.map((value) => ({ partition: 0, key: 'a', value: Buffer.from(value) })),
    );
    expect(await misplacements()).toEqual(['deadline-scheduler truncated']);
    await adopt();
    await eventually(() => expect(read).toEqual(values), { withinMs: 15_000 });
    expect(log.troubles()).toEqual([]);
    await subscription.close();
  });

  it('lowers a watermark with what the ingests have claimed, and never raises one', async () => {
    const to = WATERMARK.getTime() - 60_000;
    expect(await lowerWatermark(dataSource, to, {})).toEqual([0]);
    const [, pings] = await positions();
    expect(pings).toMatchObject({
      position: 3,
      watermark: new Date(to),
      ingests: { ingests: { one: { epoch: 7, lowWatermark: to } }, spells: [] },
    });
    await expect(lowerWatermark(dataSource, to + 1, {})).rejects.toThrow(/no watermark lies behind/);
  });
});
