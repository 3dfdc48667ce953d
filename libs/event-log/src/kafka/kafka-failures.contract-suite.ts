import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, freePort, startTestKafka } from '@flatline/test-kit';
import type { TestKafka } from '@flatline/test-kit';
import { Kafka, logLevel } from 'kafkajs';
import type { Admin } from 'kafkajs';
import { AppendRejected, AppendUnresolved, PositionMoved, RecordTooLarge, UnknownTopic } from '../errors';
import type { EventLog, LogProducer, PartitionHandler } from '../event-log';
import { RecordingHandler, texts, troublesOf } from '../test-handler';
import { LoginRefused } from './kafka-client';
import { createKafkaClient } from './kafka-clients';
import type { KafkaClientName } from './kafka-clients';
import { openKafkaEventLog } from './kafka-event-log';
import type { KafkaEventLogOptions } from './kafka-event-log';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const LIMIT_MS = 4_000;
const PARTITIONS = 4;
const HOUR_MS = 3_600_000;

/** What a producer was told of each record, by its key. */
class Fates {
  readonly acknowledged: string[] = [];
  readonly unresolved: string[] = [];
  readonly rejected: string[] = [];
  slowestMs = 0;
  private number = 0;

  constructor(
    private readonly producer: LogProducer,
    private readonly topic: string,
  ) {}

  /** One append of `size` records over all partitions, as an ingest mixes pings and pulses. Whether all were stored. */
  async append(size: number): Promise<boolean> {
    const records = Array.from({ length: size }, () => {
      const key = `${(this.number += 1)}`;
      return { partition: this.number % PARTITIONS, key, value: Buffer.from(key) };
    });
    const startedAt = performance.now();
    let failed: typeof records = [];
    try {
      await this.producer.append(this.topic, records);
    } catch (error) {
      if (!(error instanceof AppendRejected || error instanceof AppendUnresolved)) throw error;
      const { partitions } = error;
      failed = partitions ? records.filter(({ partition }) => partitions.includes(partition)) : records;
      const fate = error instanceof AppendUnresolved ? this.unresolved : this.rejected;
      fate.push(...failed.map(({ key }) => key));
    }
    this.acknowledged.push(...records.filter((record) => !failed.includes(record)).map(({ key }) => key));
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
    return failed.length === 0;
  }

  /** Appends as an ingest does, one after the other, until told to end; resolves with the number of appends. */
  async appendUntil(isOver: () => boolean, sizeOf: (round: number) => number): Promise<number> {
    let round = 0;
    for (; !isOver(); round++) {
      const stored = await this.append(sizeOf(round));
      await sleep(stored ? 2 : 50);
    }
    return round;
  }
}

/** What breaks on Kafka alone. Every client library is put through it; see ADR 0011 and 0012. */
export function describeKafkaFailures(client: KafkaClientName): void {
  const closers: (() => Promise<unknown>)[] = [];
  let topics = 0;

  async function open(kafka: TestKafka, options: Partial<KafkaEventLogOptions> = {}): Promise<EventLog> {
    const log = await openKafkaEventLog({
      client,
      brokers: kafka.brokers,
      replicationFactor: 1,
      logger: quiet,
      ...options,
    });
    closers.push(() => log.close());
    return log;
  }

  async function createTopic(log: EventLog): Promise<string> {
    const name = `test.failures-${++topics}`;
    await log.ensureTopics([{ name, partitions: PARTITIONS, retentionMs: HOUR_MS }]);
    return name;
  }

  /** Every key the log holds, by a group of its own. */
  async function stored(log: EventLog, topic: string): Promise<string[]> {
    const handler = new RecordingHandler();
    const ends = await Promise.all(
      Array.from({ length: PARTITIONS }, async (_, partition) => (await log.bounds(topic, partition)).end),
    );
    const all = ends.reduce((sum, end) => sum + end, 0);
    const subscription = await log.consume({ topic, group: `all-${++topics}`, maxRecords: 1_000, handler });
    await eventually(() => expect(handler.seen.length).toBeGreaterThanOrEqual(all), { withinMs: 20_000 });
    await subscription.close();
    return texts(handler.seen);
  }

  const expectNothingLost = (fates: Fates, found: readonly string[]): void => {
    const held = new Set(found);
    expect(fates.acknowledged.filter((key) => !held.has(key))).toEqual([]);
    expect(fates.rejected.filter((key) => held.has(key))).toEqual([]);
    expect(fates.slowestMs).toBeLessThan(LIMIT_MS + 1_000);
  };

  /** Appends 1 to `mostRecords` at a time, with a reader, while something happens; in the end all is there and was read. */
  async function expectNothingLostWhile(
    log: EventLog,
    mostRecords: number,
    happening: (fates: Fates) => Promise<void>,
  ) {
    const topic = await createTopic(log);
    const handler = new RecordingHandler();
    await log.consume({ topic, group: 'readers', maxRecords: 100, handler });
    const fates = new Fates(await log.producer(), topic);
    let over = false;
    const sizeOf = (round: number) => 1 + (round % mostRecords);
    const appending = fates.appendUntil(() => over, sizeOf);
    try {
      await moreAcknowledged(fates, 100);
      await happening(fates);
    } finally {
      over = true;
    }
    await appending;
    const found = await stored(log, topic);
    expectNothingLost(fates, found);
    await eventually(() => expect(new Set(texts(handler.seen))).toEqual(new Set(found)), { withinMs: 30_000 });
  }

  const moreAcknowledged = async ({ acknowledged }: Fates, count: number, withinMs = 30_000): Promise<void> => {
    const before = acknowledged.length;
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + count), { withinMs });
  };

  afterEach(async () => {
    await Promise.all(closers.splice(0).map((close) => close()));
  });

  describe(`one Kafka broker, through ${client}`, () => {
    let kafka: TestKafka;
    let admin: Admin;

    beforeAll(async () => {
      kafka = await startTestKafka();
      admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
    });
    afterAll(async () => {
      await admin?.disconnect();
      await kafka?.stop();
    });

    it('that is away when the log is opened is an error soon, and leaves nothing open', async () => {
      const brokers = [`127.0.0.1:${await freePort()}`];
      // Jest compiles the library when it is loaded, which takes a busy machine some seconds.
      await (await createKafkaClient(client, { access: { brokers }, logger: quiet })).close();
      const startedAt = performance.now();
      await expect(openKafkaEventLog({ client, brokers, replicationFactor: 1, logger: quiet })).rejects.toThrow();
      expect(performance.now() - startedAt).toBeLessThan(6_000);
    });

    it('may be killed under appends: each ends in time, nothing acknowledged is lost, and appends go on soon after', async () => {
      const log = await open(kafka);
      await expectNothingLostWhile(log, 7, async (fates) => {
        await kafka.kill();
        await eventually(() => expect(troublesOf(log)).toMatch('away: Kafka does not answer'), { withinMs: 15_000 });
        expect(fates.rejected.length + fates.unresolved.length).toBeGreaterThan(0);
        await kafka.start();
        await moreAcknowledged(fates, 0, 6_000);
      });
      await eventually(() => expect(log.troubles()).toEqual([]), { withinMs: 15_000 });
    });

    it.each([
      ['1.5 s, batches of one size', 1_500, () => 8],
      ['1.5 s, batches of many sizes', 1_500, (round: number) => 1 + ((round * 7) % 40)],
      ['5 s, batches of one size', 5_000, () => 8],
      ['5 s, batches of many sizes', 5_000, (round: number) => 1 + ((round * 7) % 40)],
    ])('may freeze for %s, and acknowledges nothing it does not hold', async (_what, frozenMs, sizeOf) => {
      const log = await open(kafka);
      const topic = await createTopic(log);
      const [pings, pulses] = await Promise.all([log.producer(), log.producer()]);
      const fates = new Fates(pings, topic);
      let over = false;
      const appending = fates.appendUntil(() => over, sizeOf);
      const other = await createTopic(log);
      const pulsing = new Fates(pulses, other);
      const pulsingAppends = pulsing.appendUntil(
        () => over,
        () => PARTITIONS,
      );
      await eventually(() => expect(fates.acknowledged.length).toBeGreaterThan(50));
      await kafka.pause();
      await sleep(frozenMs);
      kafka.resume();
      const before = [fates.acknowledged.length, pulsing.acknowledged.length] as const;
      await eventually(() => {
        expect(fates.acknowledged.length).toBeGreaterThan(before[0] + 50);
        expect(pulsing.acknowledged.length).toBeGreaterThan(before[1] + 50);
      });
      over = true;
      await Promise.all([appending, pulsingAppends]);
      expectNothingLost(fates, await stored(log, topic));
      expectNothingLost(pulsing, await stored(log, other));
      // A shorter one can leave some open too: the controller may take the leaders' office from a broker that was silent.
      if (frozenMs > LIMIT_MS) expect(fates.unresolved).not.toEqual([]);
    });

    it('settles what it had received before it froze, ahead of what is appended next', async () => {
      const log = await open(kafka, { appendTimeoutMs: 500 });
      const topic = await createTopic(log);
      const producer = await log.producer();
      const append = (text: string) => producer.append(topic, [{ partition: 0, key: text, value: Buffer.from(text) }]);
      await append('before');
      await kafka.pause();
      await expect(append('frozen')).rejects.toThrow(AppendUnresolved);
      await expect(append('never sent')).rejects.toThrow(AppendRejected);
      kafka.resume();
      await eventually(() => append('after'));
      const found = await stored(log, topic);
      expect(found.filter((text) => text !== 'after')).toEqual(found.slice(0, found.indexOf('after')));
      expect(found).not.toContain('never sent');
    });

    it('hands every record over exactly once by positions, however often the group is balanced with batches in hand', async () => {
      const log = await open(kafka);
      const topic = await createTopic(log);
      const positions = new Map<number, number>();
      const handled: string[] = [];
      /** Moves the position as one statement of a database does, at the end of a slow batch. */
      const slow = (): PartitionHandler => ({
        position: async (partition) => positions.get(partition) ?? 0,
        handle: async (partition, records) => {
          const first = records[0]!.offset;
          await sleep(40);
          if ((positions.get(partition) ?? 0) !== first) throw new PositionMoved();
          positions.set(partition, records.at(-1)!.offset + 1);
          handled.push(...texts(records));
        },
      });
      const producer = await log.producer();
      let appended = 0;
      const members: EventLog[] = [];
      for (let round = 0; round < 40; round++) {
        if (round % 8 === 0) {
          const member = await open(kafka);
          members.push(member);
          await member.consume({ topic, group: 'balanced', maxRecords: 5, handler: slow() });
        }
        if (round % 8 === 7 && members.length > 1) await members.shift()!.close();
        const records = Array.from({ length: 20 }, () => {
          const text = `${appended++}`;
          return { partition: appended % PARTITIONS, key: text, value: Buffer.from(text) };
        });
        await producer.append(topic, records);
        await sleep(60);
      }
      await eventually(() => expect(handled.length).toBeGreaterThanOrEqual(appended), { withinMs: 20_000 });
      expect([...handled].sort((a, b) => Number(a) - Number(b))).toEqual(
        Array.from({ length: appended }, (_, index) => `${index}`),
      );
    });

    it('says so loudly when a topic is deleted, and a new one in its place is not read from anywhere by itself', async () => {
      const log = await open(kafka);
      const topic = await createTopic(log);
      const producer = await log.producer();
      const handler = new RecordingHandler();
      await log.consume({ topic, group: 'readers', maxRecords: 100, handler });
      const append = () => producer.append(topic, [{ partition: 0, key: 'a', value: Buffer.from('a') }]);
      for (let round = 0; round < 3; round++) await append();
      await eventually(() => expect(handler.positions.get(0)).toBe(3));
      await admin.deleteTopics({ topics: [topic] });
      await eventually(() => expect(append()).rejects.toThrow(UnknownTopic));
      await eventually(() => expect(troublesOf(log)).toMatch(topic), { withinMs: 15_000 });
      await log.ensureTopics([{ name: topic, partitions: PARTITIONS, retentionMs: HOUR_MS }]);
      await eventually(append);
      await eventually(() => expect(handler.outOfRangeErrors).toHaveLength(1), { withinMs: 30_000 });
      expect(handler.outOfRangeErrors[0]).toMatchObject({ partition: 0, position: 3, start: 0 });
      expect(handler.of(0)).toHaveLength(3);
    });

    it('stands still when retention passed a position, and never jumps over the hole', async () => {
      const log = await open(kafka);
      const topic = await createTopic(log);
      const producer = await log.producer();
      const handler = new RecordingHandler();
      let failing = true;
      const stuck: PartitionHandler = {
        position: (partition) => handler.position(partition),
        handle: async (partition, records) => {
          if (failing) throw new Error('the database is away');
          return handler.handle(partition, records);
        },
        outOfRange: (partition, error) => handler.outOfRange(partition, error),
      };
      const append = () => producer.append(topic, [{ partition: 0, key: 'a', value: Buffer.from('a') }]);
      for (let round = 0; round < 5; round++) await append();
      await log.consume({ topic, group: 'readers', maxRecords: 100, handler: stuck });
      await sleep(300);
      await admin.fetchTopicOffsets(topic); // kafkajs finds the leader only when it has looked before
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] });
      failing = false;
      await eventually(() => expect(handler.outOfRangeErrors).toHaveLength(1), { withinMs: 15_000 });
      expect(handler.outOfRangeErrors[0]).toMatchObject({ position: 0, start: 4, end: 5 });
      expect(handler.seen).toEqual([]);
    });

    it('takes a topic that somebody else made: its settings are corrected, others kept, and its size limit is heeded', async () => {
      const log = await open(kafka);
      const topic = `test.foreign-${++topics}`;
      const configEntries = [
        { name: 'segment.ms', value: '7200000' },
        { name: 'max.message.bytes', value: '20000' },
        { name: 'cleanup.policy', value: 'compact' },
      ];
      await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS, configEntries }] });
      await log.ensureTopics([{ name: topic, partitions: PARTITIONS, retentionMs: HOUR_MS }]);
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: 2, name: topic }],
      });
      const settings = new Map(resources[0]!.configEntries.map((entry) => [entry.configName, entry.configValue]));
      expect(settings.get('segment.ms')).toBe('7200000');
      expect(settings.get('cleanup.policy')).toBe('delete');
      expect(settings.get('message.timestamp.type')).toBe('LogAppendTime');
      expect(settings.get('retention.ms')).toBe(`${HOUR_MS}`);
      expect(Number(settings.get('max.message.bytes'))).toBeGreaterThan(1_000_000);
      // And if somebody lowers it while appends go on:
      const producer = await log.producer();
      const sized = (size: number) => ({ partition: 0, key: 'k', value: Buffer.alloc(size) });
      await producer.append(topic, [sized(1)]);
      const lowered = [
        { name: 'max.message.bytes', value: '20000' },
        { name: 'message.timestamp.type', value: 'LogAppendTime' },
      ];
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries: lowered }] });
      await eventually(() => expect(producer.append(topic, [sized(1), sized(30_000)])).rejects.toThrow(RecordTooLarge));
      await producer.append(
        topic,
        Array.from({ length: 10 }, () => sized(10_000)),
      );
      await expect(log.bounds(topic, 0)).resolves.toEqual({ start: 0, end: 11 });
    });
  });

  it(`loses nothing through ${client} when the leaders of partitions change under appends`, async () => {
    const kafka = await startTestKafka({ nodes: 3 });
    closers.push(() => kafka.stop());
    const log = await openKafkaEventLog({ client, brokers: kafka.brokers, replicationFactor: 3, logger: quiet });
    try {
      await expectNothingLostWhile(log, 9, async (fates) => {
        const [node] = kafka.nodes;
        await node!.kill();
        await moreAcknowledged(fates, 100);
        await node!.start();
        await moreAcknowledged(fates, 100);
      });
    } finally {
      await log.close();
    }
  });

  describe(`a Kafka that wants TLS and a password, through ${client}`, () => {
    let kafka: TestKafka;
    beforeAll(async () => {
      kafka = await startTestKafka({ security: 'sasl-tls' });
    });
    afterAll(async () => {
      await kafka?.stop();
    });
    const access = (mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', password?: string) => {
      const { caFile, username, password: right } = kafka.security!;
      return { tls: { ca: readFileSync(caFile, 'utf8') }, sasl: { mechanism, username, password: password ?? right } };
    };

    it.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
      'carries records after a login by %s',
      async (mechanism) => {
        const log = await open(kafka, access(mechanism));
        const topic = await createTopic(log);
        const producer = await log.producer();
        await producer.append(topic, [{ partition: 1, key: 'a', value: Buffer.from('a') }]);
        await expect(stored(log, topic)).resolves.toEqual(['a']);
      },
    );

    it('is told apart from a Kafka that is away when it refuses the login or is not trusted', async () => {
      const refusal = await open(kafka, access('plain', 'wrong')).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(LoginRefused);
      expect(String((refusal as Error).message)).not.toContain('wrong');
      await expect(open(kafka, { ...access('plain'), tls: {} })).rejects.toThrow(/certificate/);
    });
  });
}
