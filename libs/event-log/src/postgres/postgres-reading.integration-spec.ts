import { eventually, useTestDatabase } from '@flatline/test-kit';
import { Client } from 'pg';
import type { EventLog, LogRecord, PartitionHandler } from '../event-log';
import { openPostgresEventLog } from './postgres-event-log';
import type { PostgresEventLogOptions } from './postgres-event-log';

jest.setTimeout(60_000);

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const TOPIC = 'test.reading';

describe('reading from Postgres', () => {
  const database = useTestDatabase('logreading');
  let admin: Client;
  let opened: EventLog[] = [];
  const gates: (() => void)[] = [];

  beforeEach(async () => {
    admin = new Client({ connectionString: database.url });
    await admin.connect();
    await admin.query('DROP SCHEMA IF EXISTS flatline_log CASCADE');
  });
  afterEach(async () => {
    for (const release of gates.splice(0)) release(); // a log closes after the batches in hand
    await Promise.all(opened.map((log) => log.close()));
    opened = [];
    await admin.end();
  });

  async function openLog(options: Partial<PostgresEventLogOptions> = {}, retentionMs = 3_600_000): Promise<EventLog> {
    const log = await openPostgresEventLog({ url: database.url, logger: quiet, ...options });
    opened.push(log);
    await log.ensureTopics([{ name: TOPIC, partitions: 4, retentionMs }]);
    return log;
  }

  const terminate = (name: string): Promise<unknown> =>
    admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = $1`,
      [name],
    );

  /** Positions shared by the members of a group, as a database would; overlaps of one partition are counted. */
  class SharedWork {
    readonly positions = new Map<number, number>();
    readonly seen: LogRecord[] = [];
    readonly at = new Map<number, string>();
    overlaps = 0;

    member(name: string, beforeCommit: () => Promise<void> = async () => undefined): PartitionHandler {
      return {
        position: async (partition) => this.positions.get(partition) ?? 0,
        handle: async (partition, records) => {
          if (this.at.has(partition)) this.overlaps += 1;
          this.at.set(partition, name);
          try {
            await beforeCommit();
            if (records[0]?.offset !== (this.positions.get(partition) ?? 0)) throw new Error('not the expected offset');
            this.positions.set(partition, (records.at(-1) as LogRecord).offset + 1);
            this.seen.push(...records);
          } finally {
            this.at.delete(partition);
          }
        },
      };
    }
  }

  const everywhere = (text: string) =>
    [0, 1, 2, 3].map((partition) => ({ partition, key: text, value: Buffer.from(text) }));

  /** Guarded by `audit` in libs/event-log/src/partition-worker.ts, asked by `poll` of the adapter. */
  it('ends the process when a batch has not ended for a minute, though the log has more, and not before', async () => {
    let now = 0;
    const fatal: string[] = [];
    const log = await openLog({ monotonic: () => now, onFatal: (error) => fatal.push(error.message), pollEveryMs: 20 });
    const work = new SharedWork();
    const stuck = work.member('a', () => new Promise((resolve) => gates.push(resolve)));
    await log.consume({ topic: TOPIC, group: 'g', maxRecords: 10, handler: stuck });
    await (await log.producer()).append(TOPIC, [{ partition: 2, key: 'k', value: Buffer.from('v') }]);
    await eventually(() => expect(gates).toHaveLength(1));
    for (let step = 0; step < 12; step++) {
      now += 5_000;
      await new Promise((resolve) => setTimeout(resolve, 60)); // several polls, each of which may look
      expect(fatal).toEqual([]);
    }
    now += 10_000;
    await eventually(() => expect(fatal).toEqual([`${TOPIC}, partition 2, has stood at 0 of 1 for a minute`]));
  });

  it('stops handling when the session with the locks dies, and comes back with a new one', async () => {
    const log = await openLog();
    const work = new SharedWork();
    const subscription = await log.consume({ topic: TOPIC, group: 'g', maxRecords: 10, handler: work.member('a') });
    await eventually(() => expect(subscription.progress()).toHaveLength(4));
    await terminate('flatline-log session');
    await eventually(() => expect(subscription.progress()).toHaveLength(0), { everyMs: 1 });
    await eventually(() => expect(subscription.progress()).toHaveLength(4));
    expect(log.troubles()).toEqual([]);
    // The new session listens too: a record of another process arrives faster than polling would bring it.
    const producer = await (await openLog()).producer();
    await producer.append(TOPIC, everywhere('first'));
    await eventually(() => expect(work.seen).toHaveLength(4));
    const { rows } = await admin.query('SELECT count(*)::int AS held FROM pg_locks WHERE locktype = $1', ['advisory']);
    expect(rows[0].held).toBeGreaterThanOrEqual(5); // four partitions and the membership
  });

  it('never runs two batches of a partition at once in a process whose session was lost and won again', async () => {
    const log = await openLog();
    const work = new SharedWork();
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => gates.push((release = resolve)));
    const subscription = await log.consume({
      topic: TOPIC,
      group: 'g',
      maxRecords: 1,
      handler: work.member('a', () => gate),
    });
    const producer = await log.producer();
    await producer.append(TOPIC, [...everywhere('a').slice(0, 1), ...everywhere('b').slice(0, 1)]);
    await eventually(() => expect(work.at.get(0)).toBe('a'));
    await terminate('flatline-log session');
    await eventually(() => expect(subscription.progress().map(({ partition }) => partition)).toEqual([1, 2, 3]));
    release();
    await eventually(() => expect(subscription.progress()).toHaveLength(4));
    await eventually(() => expect(work.seen.map(({ key }) => key)).toEqual(['a', 'b']));
    expect(work.overlaps).toBe(0);
  });

  it('is taken over within seconds when a member dies', async () => {
    const [mine, theirs] = [await openLog(), await openLog()];
    const work = new SharedWork();
    const mineRead = await mine.consume({ topic: TOPIC, group: 'g', maxRecords: 10, handler: work.member('mine') });
    await eventually(() => expect(mineRead.progress()).toHaveLength(4));
    const theirsRead = await theirs.consume({
      topic: TOPIC,
      group: 'g',
      maxRecords: 10,
      handler: work.member('theirs'),
    });
    await eventually(() => expect([mineRead.progress().length, theirsRead.progress().length]).toEqual([2, 2]));
    // What the server sees of a process that was killed: its sessions end. Here both do, and race for the partitions.
    const producer = await mine.producer();
    for (let round = 0; round < 6; round++) {
      await terminate('flatline-log session');
      await producer.append(TOPIC, everywhere(`${round}`));
      await eventually(() => expect(mineRead.progress().length + theirsRead.progress().length).toBe(4));
    }
    await eventually(() => expect(work.seen).toHaveLength(24));
    for (const partition of [0, 1, 2, 3]) {
      const keys = work.seen.filter((record) => record.partition === partition).map(({ key }) => key);
      expect(keys).toEqual(['0', '1', '2', '3', '4', '5']);
    }
  });

  it('goes on when the connection it reads with is killed again and again', async () => {
    const log = await openLog();
    const work = new SharedWork();
    await log.consume({ topic: TOPIC, group: 'g', maxRecords: 3, handler: work.member('a') });
    const producer = await log.producer();
    for (let round = 0; round < 40; round++) {
      await producer.append(TOPIC, everywhere(`${round}`));
      if (round % 5 === 0) await terminate('flatline-log shared');
    }
    await eventually(() => expect(work.seen).toHaveLength(160), { withinMs: 20_000 });
    await eventually(() => expect(log.troubles()).toEqual([]));
  });

  describe('segments', () => {
    const segments = async (): Promise<number> => {
      const { rows } = await admin.query(
        `SELECT count(*)::int AS count FROM pg_tables WHERE schemaname = 'flatline_log' AND tablename LIKE 'segment%'`,
      );
      return rows[0].count as number;
    };
    const small = { segmentMaxBytes: 100_000, maintenanceEveryMs: 30 };

    it('are sealed by size while records flow, and readers pass from one to the next without a hole', async () => {
      const log = await openLog(small);
      await openLog(small); // a second process that would do the same
      const work = new SharedWork();
      await log.consume({ topic: TOPIC, group: 'g', maxRecords: 50, handler: work.member('a') });
      const producer = await log.producer();
      let appended = 0;
      while ((await segments()) < 5) {
        await producer.append(TOPIC, everywhere('x'.repeat(2_000)));
        appended += 1;
      }
      await eventually(() => expect(work.seen).toHaveLength(4 * appended), { withinMs: 20_000 });
      for (const partition of [0, 1, 2, 3]) {
        const offsets = work.seen.filter((record) => record.partition === partition).map(({ offset }) => offset);
        expect(offsets).toEqual(offsets.map((_, index) => index));
      }
    });

    it('are dropped when old enough and passed by every group, not before, and the start of the log moves', async () => {
      const log = await openLog(small, 0);
      const quick = new SharedWork();
      const slow = new SharedWork();
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => gates.push((release = resolve)));
      await log.consume({ topic: TOPIC, group: 'quick', maxRecords: 100, handler: quick.member('a') });
      await log.consume({ topic: TOPIC, group: 'slow', maxRecords: 100, handler: slow.member('a', () => gate) });
      const producer = await log.producer();
      let appended = 0;
      while ((await segments()) < 4) {
        await producer.append(TOPIC, everywhere('x'.repeat(2_000)));
        appended += 1;
      }
      await eventually(() => expect(quick.seen).toHaveLength(4 * appended));
      await new Promise((resolve) => setTimeout(resolve, 300)); // ten rounds of maintenance
      await expect(log.bounds(TOPIC, 0)).resolves.toEqual({ start: 0, end: appended });
      release();
      await eventually(() => expect(slow.seen).toHaveLength(4 * appended));
      await eventually(async () => expect(await segments()).toBe(1), { withinMs: 20_000 });
      const { start, end } = await log.bounds(TOPIC, 0);
      expect(start).toBeGreaterThan(0);
      expect(end).toBe(appended);
      // Who comes with a position from before is told, and not sent to the start.
      const late = new SharedWork();
      await log.consume({ topic: TOPIC, group: 'late', maxRecords: 10, handler: late.member('a') });
      await eventually(() =>
        expect(log.troubles()).toContainEqual({
          kind: 'outside',
          sentence: expect.stringMatching(`position 0 of ${TOPIC}, partition 0, lies outside the log`),
        }),
      );
      expect(late.seen).toEqual([]);
    });

    it('stay within their retention, and a segment somebody reads does not hold up appends', async () => {
      const log = await openLog({ segmentMaxAgeMs: 1, maintenanceEveryMs: 30 }, 3_600_000);
      const producer = await log.producer();
      await producer.append(TOPIC, everywhere('a'));
      await eventually(async () => expect(await segments()).toBe(2));
      await expect(log.bounds(TOPIC, 0)).resolves.toEqual({ start: 0, end: 1 });
      await admin.query('BEGIN');
      const { rows } = await admin.query('SELECT min(segment_id) AS id FROM flatline_log.log_segment');
      await admin.query(`SELECT * FROM flatline_log.segment_${rows[0].id}`); // a long transaction of a reader
      await log.ensureTopics([{ name: TOPIC, partitions: 4, retentionMs: 0 }]);
      for (let round = 0; round < 20; round++) {
        const startedAt = performance.now();
        await producer.append(TOPIC, everywhere(`${round}`));
        expect(performance.now() - startedAt).toBeLessThan(400);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect((await log.bounds(TOPIC, 0)).start).toBe(0);
      await admin.query('COMMIT');
      await eventually(async () => expect((await log.bounds(TOPIC, 0)).start).toBe(21));
    });
  });
});
