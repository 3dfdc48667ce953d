import { eventually } from '@flatline/test-kit';
import { ConcurrentAppend, PositionMoved, ProducerFenced, RecordTooLarge, TopicMismatch, UnknownTopic } from './errors';
import type { EventLog, LogRecord, PartitionHandler } from './event-log';
import { record, RecordingHandler, texts } from './test-handler';
import type { EventLogHarness } from './test-handler';

/** The promises of the port. Every adapter keeps all of them; what only one of them can break is tested beside it. */
export function describeEventLog(adapter: string, start: () => Promise<EventLogHarness>): void {
  describe(`the event log on ${adapter}`, () => {
    let harness: EventLogHarness;
    let log: EventLog;
    let topic: string;
    let opened: EventLog[] = [];
    let topics = 0;
    const open = async (): Promise<EventLog> => {
      const another = await harness.open();
      opened.push(another);
      return another;
    };

    beforeAll(async () => {
      harness = await start();
    });
    afterAll(async () => {
      await harness.stop();
    });
    beforeEach(async () => {
      log = await open();
      topic = `test.topic-${process.pid}-${++topics}`;
      await log.ensureTopics([{ name: topic, partitions: 4, retentionMs: 3_600_000 }]);
    });
    afterEach(async () => {
      await Promise.all(opened.map((one) => one.close()));
      opened = [];
    });

    describe('topics', () => {
      it('are created once, whoever else creates them at the same time', async () => {
        const other = await open();
        const specs = [{ name: `${topic}.more`, partitions: 2, retentionMs: 1_000 }];
        await Promise.all([log.ensureTopics(specs), other.ensureTopics(specs), log.ensureTopics(specs)]);
        await expect(other.bounds(`${topic}.more`, 1)).resolves.toEqual({ start: 0, end: 0 });
        expect(other.identity()).toBe(log.identity());
      });

      it('refuse another number of partitions, and what does not exist', async () => {
        await expect(log.ensureTopics([{ name: topic, partitions: 8, retentionMs: 1_000 }])).rejects.toThrow(
          TopicMismatch,
        );
        await expect(log.bounds('test.nowhere', 0)).rejects.toThrow(UnknownTopic);
        await expect(log.bounds(topic, 4)).rejects.toThrow(UnknownTopic);
      });
    });

    describe('appending', () => {
      it('keeps bytes, keys, headers and order, and dates records by its own clock', async () => {
        const producer = await log.producer();
        const bytes = Buffer.from([0, 1, 127, 128, 255, 0xc3, 0x28, 0, 10, 13]);
        const headers = { traceparent: '00-é', empty: '' };
        const first = await producer.append(topic, [
          { partition: 2, key: 'schlüssel', value: bytes, headers },
          { partition: 0, key: '', value: Buffer.alloc(0) },
          record(2, 'second'),
        ]);
        const calledAt = Date.now();
        const later = await producer.append(topic, [record(2, 'third')]);
        const answeredAt = Date.now();
        const handler = new RecordingHandler();
        await log.consume({ topic, group: 'readers', maxRecords: 100, handler });
        await eventually(() => expect(handler.seen).toHaveLength(4));
        const [a, b, c] = handler.of(2) as [LogRecord, LogRecord, LogRecord];
        expect(a).toEqual({
          topic,
          partition: 2,
          offset: 0,
          key: 'schlüssel',
          value: bytes,
          headers,
          appendedAt: expect.any(Number),
        });
        expect([b.value.toString(), b.offset, b.headers, c.offset]).toEqual(['second', 1, {}, 2]);
        expect(handler.of(0)).toMatchObject([{ key: '', value: Buffer.alloc(0), offset: 0 }]);
        expect(c.appendedAt).toBe(later.appendedAt);
        expect(first.appendedAt).toBeGreaterThanOrEqual(a.appendedAt);
        expect(later.appendedAt).toBeGreaterThanOrEqual(first.appendedAt);
        // The log is on this machine, and its clock is read between call and answer: what skew is measured by.
        expect(later.appendedAt).toBeGreaterThanOrEqual(calledAt - 1);
        expect(later.appendedAt).toBeLessThanOrEqual(answeredAt + 1);
        await expect(log.bounds(topic, 2)).resolves.toEqual({ start: 0, end: 3 });
      });

      it('stores all records or none', async () => {
        const producer = await log.producer();
        await expect(producer.append(topic, [record(1, 'a'), record(4, 'b')])).rejects.toThrow(UnknownTopic);
        await expect(producer.append(topic, [record(1, 'a'), record(-1, 'b')])).rejects.toThrow(UnknownTopic);
        await expect(producer.append(topic, [])).rejects.toThrow(RangeError);
        await expect(log.bounds(topic, 1)).resolves.toEqual({ start: 0, end: 0 });
      });

      it('refuses a second append while one is running', async () => {
        const producer = await log.producer();
        const running = producer.append(topic, [record(0, 'a')]);
        await expect(producer.append(topic, [record(0, 'b')])).rejects.toThrow(ConcurrentAppend);
        await running;
        await producer.append(topic, [record(0, 'c')]);
        await expect(log.bounds(topic, 0)).resolves.toEqual({ start: 0, end: 2 });
      });

      it('takes a million bytes at once, refuses a record above that, and names it', async () => {
        const producer = await log.producer();
        const sized = (size: number) => ({ partition: 1, key: 'k', value: Buffer.alloc(size) });
        const refusal = await producer.append(topic, [sized(1), sized(1_000_000)]).catch((error: unknown) => error);
        expect(refusal).toBeInstanceOf(RecordTooLarge);
        expect(refusal).toMatchObject({ index: 1 });
        await expect(log.bounds(topic, 1)).resolves.toEqual({ start: 0, end: 0 });
        // More than a Kafka message may have, in records that are fine one by one.
        await producer.append(topic, [sized(999_999), ...Array.from({ length: 300 }, () => sized(10_000))]);
        await expect(log.bounds(topic, 1)).resolves.toEqual({ start: 0, end: 301 });
      });

      it('gives an exclusive identity to whoever opens it last, with a higher epoch, and the earlier one hears of it', async () => {
        const other = await open();
        const first = await log.producer({ exclusiveId: `${topic}-ingest` });
        await first.append(topic, [record(0, 'a')]);
        const second = await other.producer({ exclusiveId: `${topic}-ingest` });
        const stranger = await log.producer({ exclusiveId: `${topic}-other` });
        expect(first.epoch).toBeGreaterThanOrEqual(1);
        expect(second.epoch).toBeGreaterThan(first.epoch);
        await eventually(async () => {
          await expect(first.append(topic, [record(0, 'late')])).rejects.toThrow(ProducerFenced);
        });
        await second.append(topic, [record(0, 'b')]);
        await stranger.append(topic, [record(0, 'c')]);
        await expect(first.append(topic, [record(0, 'late')])).rejects.toThrow(ProducerFenced);
        expect((await log.producer()).epoch).toBe(1);
      });

      it('shows a reader no hole that is filled later, whoever appends at the same time', async () => {
        const [other, reader] = await Promise.all([open(), open()]);
        const handler = new RecordingHandler();
        await reader.consume({ topic, group: 'readers', maxRecords: 7, handler });
        const appendFrom = async (owner: EventLog, name: string): Promise<void> => {
          const producer = await owner.producer();
          for (let round = 0; round < 60; round++) {
            const partitions = [0, 1, 2, 3].slice(round % 3).reverse();
            await producer.append(
              topic,
              partitions.flatMap((partition) => [record(partition, `${name}:${round}`), record(partition, 'x')]),
            );
          }
        };
        await Promise.all([appendFrom(log, 'a'), appendFrom(log, 'b'), appendFrom(other, 'c'), appendFrom(other, 'd')]);
        const ends = await Promise.all([0, 1, 2, 3].map(async (partition) => (await log.bounds(topic, partition)).end));
        await eventually(() => expect([0, 1, 2, 3].map((partition) => handler.of(partition).length)).toEqual(ends));
        for (const partition of [0, 1, 2, 3]) {
          const records = handler.of(partition);
          expect(records.map(({ offset }) => offset)).toEqual(records.map((_, index) => index));
          const times = records.map(({ appendedAt }) => appendedAt);
          expect(times).toEqual([...times].sort((x, y) => x - y));
          for (const name of ['a', 'b', 'c', 'd']) {
            const rounds = texts(records)
              .filter((text) => text.startsWith(`${name}:`))
              .map((text) => Number(text.slice(2)));
            expect(rounds).toEqual([...rounds].sort((x, y) => x - y));
          }
        }
      });
    });

    describe('reading', () => {
      it('starts at the position told, in the middle of what was appended together, in batches as large as asked', async () => {
        const producer = await log.producer();
        await producer.append(
          topic,
          Array.from({ length: 50 }, (_, index) => record(1, `${index}`)),
        );
        const handler = new RecordingHandler(new Map([[1, 17]]));
        await log.consume({ topic, group: 'readers', maxRecords: 10, handler });
        await eventually(() => expect(handler.of(1)).toHaveLength(33));
        expect(texts(handler.of(1))).toEqual(Array.from({ length: 33 }, (_, index) => `${index + 17}`));
        expect(handler.batches).toEqual([10, 10, 10, 3]);
      });

      it('ends a batch at about a megabyte and carries records of a megabyte each', async () => {
        const producer = await log.producer();
        const value = Buffer.alloc(900_000, 7);
        for (const key of ['a', 'b', 'c']) await producer.append(topic, [{ partition: 0, key, value }]);
        const handler = new RecordingHandler();
        await log.consume({ topic, group: 'readers', maxRecords: 100, handler });
        await eventually(() => expect(handler.of(0)).toHaveLength(3));
        expect(handler.seen.every((seen) => seen.value.equals(value))).toBe(true);
        expect(handler.batches[0]).toBeLessThanOrEqual(2);
      });

      it('hands over a record soon after its append in another process', async () => {
        const other = await open();
        const handler = new RecordingHandler();
        await log.consume({ topic, group: 'readers', maxRecords: 100, handler });
        const producer = await other.producer();
        await producer.append(topic, [record(0, 'first')]);
        await eventually(() => expect(handler.seen).toHaveLength(1));
        const waits: number[] = [];
        for (let round = 2; round <= 12; round++) {
          await producer.append(topic, [record(0, 'next')]);
          const appendedAt = performance.now();
          await eventually(() => expect(handler.seen).toHaveLength(round), { everyMs: 1 });
          waits.push(performance.now() - appendedAt);
        }
        const median = waits.sort((a, b) => a - b)[5] as number;
        expect(median).toBeLessThan(200); // a few ms on a quiet machine; polling alone would take 250 on average
      });

      it('tries a batch for ever when the handler fails, whatever it throws, and the other partitions go on', async () => {
        const handler = new RecordingHandler();
        const failures = [new TypeError('x is not a function'), new SyntaxError('bad'), 'not even an error', null];
        let asked = 0;
        const flaky: PartitionHandler = {
          position: async (partition) => {
            if (partition === 1) asked += 1;
            return handler.position(partition);
          },
          handle: async (partition, records) => {
            if (partition === 1 && failures.length > 0) throw failures.shift();
            return handler.handle(partition, records);
          },
        };
        const producer = await log.producer();
        await producer.append(topic, [record(1, 'hard'), record(2, 'easy'), record(1, 'after')]);
        const subscription = await log.consume({ topic, group: 'readers', maxRecords: 1, handler: flaky });
        await eventually(() => expect(texts(handler.of(2))).toEqual(['easy']));
        await eventually(() => expect(subscription.progress()[1]?.state).toBe('failing'));
        await eventually(() => expect(texts(handler.of(1))).toEqual(['hard', 'after']));
        expect(asked).toBe(5);
        await eventually(() =>
          expect(subscription.progress()[1]).toEqual({ partition: 1, state: 'reading', position: 2 }),
        );
        expect(log.troubles()).toEqual([]);
      });

      it('reads on from the stored position when the handler says it has moved', async () => {
        const handler = new RecordingHandler();
        let moved = false;
        const moving: PartitionHandler = {
          position: (partition) => handler.position(partition),
          handle: async (partition, records) => {
            if (!moved) {
              moved = true;
              handler.positions.set(partition, 3); // as if the commit had succeeded before the connection died
              throw new PositionMoved();
            }
            return handler.handle(partition, records);
          },
        };
        const producer = await log.producer();
        await producer.append(
          topic,
          ['a', 'b', 'c', 'd', 'e'].map((text) => record(3, text)),
        );
        await log.consume({ topic, group: 'readers', maxRecords: 2, handler: moving });
        await eventually(() => expect(texts(handler.of(3))).toEqual(['d', 'e']));
      });

      it.each([
        ['beyond the end', 6],
        ['before the start', -1],
      ])('stands still %s of the log, says so, and never resets by itself', async (_where, position) => {
        const handler = new RecordingHandler(new Map([[0, position]]));
        const producer = await log.producer();
        await producer.append(topic, [record(0, 'a'), record(0, 'b'), record(1, 'other')]);
        const subscription = await log.consume({ topic, group: 'readers', maxRecords: 10, handler });
        await eventually(() => expect(handler.outOfRangeErrors).toHaveLength(1));
        expect(handler.outOfRangeErrors[0]).toMatchObject({ topic, partition: 0, position, start: 0, end: 2 });
        expect(log.troubles()).toMatchObject([
          {
            kind: 'outside',
            sentence: expect.stringMatching(`position ${position} of ${topic}, partition 0, lies outside`),
          },
        ]);
        expect(subscription.progress()[0]?.state).toBe('out-of-range');
        await eventually(() => expect(texts(handler.of(1))).toEqual(['other']));
        expect(handler.of(0)).toEqual([]);
        handler.positions.set(0, 1); // an operator adopts the log
        await eventually(() => expect(texts(handler.of(0))).toEqual(['b']), { withinMs: 15_000 });
        expect(log.troubles()).toEqual([]);
        expect(handler.outOfRangeErrors).toHaveLength(1);
      });

      it('lets small appends gather when asked to', async () => {
        const handler = new RecordingHandler();
        await log.consume({ topic, group: 'readers', maxRecords: 1_000, minBatchIntervalMs: 200, handler });
        const producer = await log.producer();
        for (let round = 0; round < 100; round++) await producer.append(topic, [record(0, `${round}`)]);
        await eventually(() => expect(handler.of(0)).toHaveLength(100));
        expect(handler.batches.length).toBeLessThan(60);
      });
    });

    describe('sharing', () => {
      const owned = (...subscriptions: { progress(): { partition: number }[] }[]): number[] =>
        subscriptions.flatMap((one) => one.progress().map(({ partition }) => partition)).sort();

      it('gives each partition to one member of a group, and those of a member that leaves to the others', async () => {
        const other = await open();
        const positions = new Map<number, number>();
        const [mine, theirs] = [new RecordingHandler(positions), new RecordingHandler(positions)];
        const first = await log.consume({ topic, group: 'readers', maxRecords: 10, handler: mine });
        await eventually(() => expect(owned(first)).toEqual([0, 1, 2, 3]));
        const second = await other.consume({ topic, group: 'readers', maxRecords: 10, handler: theirs });
        await eventually(() => {
          expect(owned(first, second)).toEqual([0, 1, 2, 3]);
          expect(first.progress()).toHaveLength(2);
        });
        expect(mine.revokedPartitions).toHaveLength(2);
        const producer = await log.producer();
        const everywhere = [0, 1, 2, 3].map((partition) => record(partition, 'a'));
        await producer.append(topic, everywhere);
        await eventually(() => expect([...mine.seen, ...theirs.seen]).toHaveLength(4));
        expect([mine.seen.length, theirs.seen.length]).toEqual([2, 2]);
        await other.close();
        expect(theirs.revokedPartitions).toHaveLength(2);
        await eventually(() => expect(owned(first)).toEqual([0, 1, 2, 3]), { withinMs: 5_000 });
        await producer.append(topic, everywhere);
        await eventually(() => expect(mine.seen).toHaveLength(6));
      });

      it('lets every group read everything', async () => {
        const other = await open();
        const handlers = Array.from({ length: 3 }, () => new RecordingHandler());
        const [one, two, three] = handlers as [RecordingHandler, RecordingHandler, RecordingHandler];
        await log.consume({ topic, group: 'one', maxRecords: 10, handler: one });
        await log.consume({ topic, group: 'two', maxRecords: 10, handler: two });
        await other.consume({ topic, group: 'three', maxRecords: 10, handler: three });
        const producer = await other.producer();
        await producer.append(
          topic,
          [0, 1, 2, 3].map((partition) => record(partition, 'a')),
        );
        await eventually(() => expect(handlers.map(({ seen }) => seen.length)).toEqual([4, 4, 4]));
      });

      it('closes after the batch in hand and begins none after it', async () => {
        const handler = new RecordingHandler();
        let release: () => void = () => undefined;
        let begun = 0;
        const slow: PartitionHandler = {
          position: (partition) => handler.position(partition),
          handle: async (partition, records) => {
            begun += 1;
            await new Promise<void>((resolve) => (release = resolve));
            return handler.handle(partition, records);
          },
          revoked: (partition) => handler.revoked(partition),
        };
        const producer = await log.producer();
        await producer.append(topic, [record(0, 'a'), record(0, 'b')]);
        const subscription = await log.consume({ topic, group: 'readers', maxRecords: 1, handler: slow });
        await eventually(() => expect(begun).toBe(1));
        const closed = subscription.close();
        await producer.append(topic, [record(1, 'c')]);
        release();
        await closed;
        expect(texts(handler.seen)).toEqual(['a']);
        expect([begun, handler.revokedPartitions.sort()]).toEqual([1, [0, 1, 2, 3]]);
      });
    });
  });
}
