import { type EventLog, type LogRecord, openPostgresEventLog } from '@flatline/event-log';
import { incidentOpened, INCIDENTS_TOPIC, PINGS_TOPIC, TOPICS } from '@flatline/events';
import { bury, buryRows, createDataSource, migrate, requirePartitioning, requireSameLog } from '@flatline/persistence';
import { createTestDatabase, eventually, type TestDatabase } from '@flatline/test-kit';
import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { LetterStore } from './letter-store';
import { runDeadLetters } from './run-dead-letters';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
const ODD = Buffer.from([0, 159, 146, 150, 255]);
const CHANNEL = uuidv7();
const EPIPE = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
type Heard = (error?: Error) => void;

describe('dead letters', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let log: EventLog;
  /** Lines; whoever reads what the command says goes then. */
  let readerLeavesAfter = Infinity;

  beforeAll(async () => {
    database = await createTestDatabase('letters');
    await migrate(database.url);
    dataSource = await createDataSource({ databaseUrl: database.url }).initialize();
    log = await openPostgresEventLog({ url: database.url, logger });
    await requirePartitioning(dataSource, 2);
    await requireSameLog(dataSource, log.identity());
    await log.ensureTopics(TOPICS.map((topic) => ({ ...topic, partitions: 2 })));
  });
  afterAll(async () => {
    await log.close();
    await dataSource.destroy();
    await database.drop();
  });
  beforeEach(async () => {
    for (const table of ['dead_letter', 'outbox', 'notification', 'heartbeat_runtime']) {
      await dataSource.query(`DELETE FROM ${table}`);
    }
  });

  async function run(...words: string[]): Promise<{ readonly said: string; readonly code: number | undefined }> {
    const said: string[] = [];
    const listen = (text: unknown, ...[heard]: unknown[]): boolean => {
      if (said.length === readerLeavesAfter) queueMicrotask(() => (heard as Heard)(EPIPE));
      else if (said.push(String(text)) && heard) (heard as Heard)();
      return true;
    };
    const spies = [process.stdout, process.stderr].map((stream) =>
      jest.spyOn(stream, 'write').mockImplementation(listen),
    );
    try {
      await runDeadLetters(words, { DATABASE_URL: database.url, LOG_LEVEL: 'fatal' });
      return { said: said.join(''), code: process.exitCode as number | undefined };
    } finally {
      spies.forEach((spy) => spy.mockRestore());
      process.exitCode = undefined;
    }
  }
  const idOf = async (source: string): Promise<string> => {
    const [row] = await dataSource.query<{ id: string }[]>('SELECT id FROM dead_letter WHERE source = $1', [source]);
    return row!.id;
  };
  /** With its number for a key, each older than the one before. */
  const buryMany = (count: number): Promise<unknown> =>
    dataSource.query(
      `INSERT INTO dead_letter (id, source, key, payload, reason, created_at)
       SELECT gen_random_uuid(), 'log', 'letter ' || n, '', 'one of many', now() - n * interval '1 second'
       FROM generate_series(1, $1::int) AS n`,
      [count],
    );
  const buryRecord = (key: string, partition: number, value = ODD): Promise<void> =>
    bury(
      dataSource.manager,
      [{ record: { topic: PINGS_TOPIC, partition, offset: 7, key, value }, reason: 'not JSON' }],
      1,
    );
  async function recordsOf(partition: number): Promise<LogRecord[]> {
    const read: LogRecord[] = [];
    const { end } = await log.bounds(PINGS_TOPIC, partition);
    const handler = {
      position: async () => 0,
      handle: async (of: number, records: readonly LogRecord[]) => void (of === partition && read.push(...records)),
    };
    const subscription = await log.consume({ topic: PINGS_TOPIC, group: uuidv7(), maxRecords: 10, handler });
    await eventually(() => expect(read).toHaveLength(end));
    await subscription.close();
    return read;
  }
  async function notified(transition: string, status: string, parts: { incident?: string; reason?: string } = {}) {
    const [row] = await dataSource.query<{ id: string }[]>(
      `INSERT INTO notification (id, event_id, project_id, heartbeat_id, incident_id, channel_id, channel_kind, transition,
         facts, status, reason, created_at, finished_at)
       VALUES ($1, $1, $2, $2, $3, $7, 'webhook', $4, '{"name":"payroll"}', $5, $6, now(), now()) RETURNING id`,
      [uuidv7(), CHANNEL, parts.incident ?? CHANNEL, transition, status, parts.reason ?? null, CHANNEL],
    );
    return row!.id;
  }
  const statuses = async (): Promise<string[]> => {
    const rows = await dataSource.query<{ said: string }[]>(
      `SELECT concat_ws(' ', transition, status, reason) AS said FROM notification ORDER BY seq`,
    );
    return rows.map(({ said }) => said);
  };

  /** Guarded by `Replay.replay` in replay.ts: the letter goes in the transaction that puts it back. */
  it('puts a record back into its partition, byte for byte, and once', async () => {
    await buryRecord('a heartbeat', 1);
    const id = await idOf('log');
    expect((await run('list')).said).toMatch(`${PINGS_TOPIC}/1@7  a heartbeat  not JSON\n`);
    expect((await run('replay', id)).said).toMatch(/^replayed /);
    const [last] = (await recordsOf(1)).slice(-1);
    expect(last).toMatchObject({ key: 'a heartbeat', value: ODD, partition: 1 });
    expect(await run('replay', id)).toEqual({ said: `Nothing was changed: there is no dead letter ${id}.\n`, code: 1 });
    expect((await run('list')).said).toBe('there are no dead letters\n');
  });

  it('changes nothing where no process has ever started', async () => {
    await buryRecord('a heartbeat', 1);
    await dataSource.query(`DELETE FROM installation_fact WHERE name = 'ping_partitions'`);
    const { said, code } = await run('replay', await idOf('log'));
    await requirePartitioning(dataSource, 2);
    expect([said, code]).toEqual(['Nothing was changed: no process has ever started here.\n', 1]);
    expect((await run('list')).said).toMatch(/ a heartbeat /);
  });

  it('keeps the letter of a record that the log does not take, and goes on with the others', async () => {
    await buryRecord('too large', 0, Buffer.alloc(1_000_001));
    await buryRecord('small', 0);
    const { said } = await run('replay', '--all');
    expect(said).toMatch(/left .* too large .*: record 0 of an append has 1000010 bytes/);
    expect(said).toMatch(/replayed .* small /);
    expect((await run('list')).said).toMatch(/ too large /);
    expect((await run('discard', await idOf('log'))).said).toMatch(/^discarded /);
    expect((await run('list')).said).toBe('there are no dead letters\n');
  });

  it('lets an event of the outbox be published again under its own id', async () => {
    const [id, key] = [uuidv7(), uuidv7()];
    await dataSource.query(
      `INSERT INTO dead_letter (id, source, topic, key, payload, reason, created_at)
       VALUES ($1, 'outbox', $2, $3, '{}', 'too large', now())`,
      [id, INCIDENTS_TOPIC, key],
    );
    await run('replay', id);
    expect(await dataSource.query('SELECT id, topic, key, payload FROM outbox')).toEqual([
      { id, topic: INCIDENTS_TOPIC, key, payload: '{}' },
    ]);
    expect(await dataSource.query('SELECT 1 FROM dead_letter')).toEqual([]);
  });

  it('has a heartbeat judged again whose row was put aside', async () => {
    const key = uuidv7();
    await dataSource.query(
      `INSERT INTO heartbeat_runtime (heartbeat_id, shard, definition_version, schedule_changed_at, status, misfit)
       VALUES ($1, 0, 1, now(), 'up', 'odd')`,
      [key],
    );
    await buryRows(dataSource.manager, [{ source: 'heartbeat_runtime', key, row: '{}', reason: 'odd' }], 1);
    await run('replay', await idOf('heartbeat_runtime'));
    expect(await dataSource.query('SELECT misfit, wake_at <= now() AS due FROM heartbeat_runtime')).toEqual([
      { misfit: null, due: true },
    ]);
  });

  /** Guarded by `tellAgain` in replay.ts. */
  it('sends a message again that was given up, and the recovery that was dropped with it behind it', async () => {
    const id = await notified('down', 'dead', { reason: 'unusable_settings' });
    await notified('recovered', 'suppressed', { reason: 'never_told' });
    expect((await run('list')).said).toMatch(/notification .* down by webhook: unusable_settings\n$/);
    await run('replay', id);
    expect(await statuses()).toEqual(['down pending', 'recovered pending']);
    expect(await dataSource.query('SELECT 1 FROM notification WHERE next_attempt_at > now()')).toEqual([]);
  });

  it('does not let an old message be the last word, but discards it', async () => {
    const id = await notified('down', 'dead', { reason: 'expired' });
    await notified('down', 'delivered', { incident: uuidv7() });
    expect(await run('replay', id)).toMatchObject({ said: expect.stringMatching(/told of a later incident/), code: 1 });
    await run('discard', id);
    expect(await statuses()).toEqual(['down suppressed discarded', 'down delivered']);
  });

  /** Guarded by `refuseOvertaken` in replay.ts. */
  it('does not let an old incident be the last word either', async () => {
    const value = incidentOpened.encode({
      ...{ id: uuidv7(), key: CHANNEL, occurredAt: 1, producedAt: 1, correlationId: 'x' },
      data: {
        projectId: CHANNEL,
        heartbeat: {
          ...{ id: CHANNEL, name: 'payroll', status: 'failing', intervalSecs: 60, schedule: null, timezone: null },
          ...{ graceSecs: 10, lastPingedAt: null },
        },
        incident: { id: uuidv7(), startedAt: 1, endedAt: null, reason: 'missed', misses: 2 },
      },
    });
    const record = { topic: INCIDENTS_TOPIC, partition: 0, offset: 1, key: CHANNEL, value };
    await bury(dataSource.manager, [{ record, reason: 'odd' }], Date.now() - 60_000);
    await notified('down', 'delivered', { incident: uuidv7() });
    const id = await idOf('log');
    expect(await run('replay', id)).toMatchObject({ said: expect.stringMatching(/told of a later incident/), code: 1 });
    await dataSource.query('DELETE FROM notification');
    expect((await run('replay', id)).said).toMatch(/^replayed /);
  });

  /** Guarded by `LetterStore.each` in letter-store.ts. */
  it('lists all letters page by page, the oldest first, and not those that are added meanwhile', async () => {
    await buryMany(2_500);
    const oldestFirst = Array.from({ length: 2_500 }, (_, index) => `letter ${2_500 - index}`);
    expect((await run('list')).said.match(/letter \d+/g)).toEqual(oldestFirst);
    const visited: (string | null)[] = [];
    const count = await new LetterStore().each(dataSource, async ({ key }) => {
      if (visited.push(key) === 1) await buryMany(2);
    });
    expect([count, visited]).toEqual([2_500, oldestFirst]);
  });

  it('ends without a word when nobody reads on', async () => {
    await buryMany(3);
    readerLeavesAfter = 1;
    const { said, code } = await run('list').finally(() => (readerLeavesAfter = Infinity));
    expect([said, code]).toEqual([expect.stringMatching(/^\S+ .* letter 3 .*\n$/), 1]);
  });

  it('shows what a letter holds only when asked to', async () => {
    await buryRecord('secret', 0, Buffer.from('{"body":"hunter2"}'));
    const id = await idOf('log');
    expect((await run('show', id)).said).not.toMatch(/hunter2/);
    expect((await run('show', id, '--payload')).said).toMatch(/\{"body":"hunter2"\}\n$/);
    expect((await run('burn', id)).said).toMatch(/say what to do/);
  });
});
