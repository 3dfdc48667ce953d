import { shardOf } from '@flatline/domain';
import { eventually } from '@flatline/test-kit';
import { RuntimeStore } from './runtime-store';
import { PARTITIONS, Stage } from './test-stage';

/**
 * Incidents of other monitoring services (docs/incidents.md) where the very millisecond counts: the test plays the ingest
 * and says what was received when. The others are in apps/standalone/e2e/incidents, with the whole product.
 */
describe('an incident that happened elsewhere, to the millisecond', () => {
  let stage: Stage;
  beforeEach(async () => {
    // As long as the product's, so that a claim of a moment ago still counts on a busy machine.
    stage = await Stage.open(undefined, {}, { leaseSeconds: 10 });
  });
  const others: Stage[] = [];
  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(others.splice(0).map((other) => other.kernel.shutdown.run(5_000)));
    await stage.close();
  });

  const reached = (at: number) =>
    eventually(() => expect(Date.now()).toBeGreaterThan(at), { withinMs: Math.max(0, at - Date.now()) + 5_000 });

  /** Guarded by (l) of `applySignal` in libs/domain/src/deadline-rule.ts: the misses first, then what the ping does. */
  it('6. down for ten seconds and up again in the minute it was stopped: both at their true times', async () => {
    const id = await stage.heartbeat(1, 0);
    const start = Date.now() - 60_000;
    stage.acceptingSince = start - 10_000;
    await stage.ping(id, start);
    await stage.ping(id, start + 12_000);
    await stage.startScheduler();
    const incident = { startedAt: start + 2_000, endedAt: start + 12_000, misses: 2 };
    await eventually(async () => expect((await stage.incidents(id))[0]).toEqual(incident), { withinMs: 10_000 });
    await eventually(async () => expect(await stage.eventCount()).toBe(2));
  });

  /**
   * Guarded by `matchAfter` in libs/domain/src/cron-expression.ts. When a cron daemon would start the job in the nights
   * around a change of clocks was computed with another implementation of time zones (zoneinfo of Python).
   */
  it.each([
    ['Europe/Berlin', ['2025-03-28T01:30Z', '2025-03-29T01:30Z', '2025-03-30T01:00Z', '2025-03-31T00:30Z']],
    ['Europe/Berlin', ['2025-10-24T00:30Z', '2025-10-25T00:30Z', '2025-10-26T00:30Z', '2025-10-27T01:30Z']],
    ['America/New_York', ['2025-03-07T07:30Z', '2025-03-08T07:30Z', '2025-03-09T07:00Z', '2025-03-10T06:30Z']],
    ['America/New_York', ['2025-10-31T06:30Z', '2025-11-01T06:30Z', '2025-11-02T07:30Z', '2025-11-03T07:30Z']],
  ])(
    '7. daily at 02:30 in %s when the clocks change: no alert, expected when the job runs (%j)',
    async (timezone, runs) => {
      const id = await stage.heartbeat(1, 600, 1);
      await stage.rows(
        `UPDATE heartbeat SET interval_secs = NULL, schedule = '30 2 * * *', timezone = $2, schedule_changed_at = 'epoch'
       WHERE id = $1`,
        [id, timezone],
      );
      stage.acceptingSince = 0;
      await stage.startScheduler();
      const nextExpected = async () => {
        const [row] = await stage.rows<{ next_expected_at: Date }>('SELECT next_expected_at FROM heartbeat_runtime');
        return row?.next_expected_at.toISOString();
      };
      for (const [night, runsAt] of runs.slice(0, -1).entries()) {
        await stage.ping(id, Date.parse(runsAt) + 60_000);
        const next = new Date(runs[night + 1]!).toISOString();
        await eventually(async () => expect(await nextExpected()).toBe(next));
      }
      expect(await stage.rows('SELECT kind FROM transition')).toEqual([]);
    },
  );

  /** Guarded by `applyWatermark` in libs/domain/src/deadline-rule.ts: a deadline at the watermark is not judged. */
  it('10. pinged a millisecond before, at and after the deadline: on time, on time, and a miss', async () => {
    await stage.startScheduler();
    const [before, at, after] = await stage.heartbeats(3, 1);
    const pingedAt = Date.now();
    const deadlineAt = pingedAt + 1_000;
    stage.acceptingSince = pingedAt - 10_000;
    await stage.pingEach([before!, at!, after!], pingedAt);
    await reached(deadlineAt + 1);
    await stage.ping(before!, deadlineAt - 1);
    await stage.pulse(deadlineAt);
    await stage.ping(at!, deadlineAt);
    await stage.ping(after!, deadlineAt + 1);
    await stage.pulse();
    const atDeadline = async (id: string) =>
      (await stage.incidents(id)).filter(({ startedAt }) => startedAt === deadlineAt);
    await eventually(async () => {
      for (const id of [before!, at!, after!]) expect(await stage.pingCount(id)).toBe(2);
    });
    const miss = { startedAt: deadlineAt, endedAt: deadlineAt + 1, misses: 1 };
    await eventually(async () => expect(await atDeadline(after!)).toEqual([miss]));
    expect([await atDeadline(before!), await atDeadline(at!)]).toEqual([[], []]);
  });

  /**
   * Two ingests took a ping each, and the later one was in the log first: nothing but chance decides that. Another process
   * reads the other one. Guarded by (r) of `applySignal` in libs/domain/src/deadline-rule.ts, and by `waiting` in
   * `ShardProgressStore.move` (shard-progress-store.ts).
   */
  it.each([
    ['', undefined],
    [', beside a ping that cannot be stored', 'a\u0000b'],
  ])('10. the ping after the deadline overtakes the one before it%s: on time, and no alarm', async (_, userAgent) => {
    const next = await Stage.open(stage.database, {}, { leaseSeconds: 10 });
    others.push(next);
    await stage.startScheduler();
    const [inTime, late] = await stage.heartbeats(2, 1);
    const pingedAt = Date.now();
    const deadlineAt = pingedAt + 1_000;
    stage.acceptingSince = pingedAt - 10_000;
    await stage.pingEach([inTime!, late!], pingedAt);
    await reached(deadlineAt + 1);
    await stage.pulse(deadlineAt - 1);
    await stage.pingEach([inTime!, late!], deadlineAt + 1);
    await eventually(async () => expect(await stage.pingCount(inTime!)).toBe(2));
    await stage.scheduler?.stop();
    for (const beside of await stage.heartbeats(8, 60)) await stage.ping(beside, deadlineAt, undefined, userAgent);
    await stage.ping(inTime!, deadlineAt - 1);
    await stage.pulse(deadlineAt + 1);
    await next.startScheduler();
    const miss = { startedAt: deadlineAt, endedAt: deadlineAt + 1, misses: 1 };
    await eventually(async () => expect(await stage.incidents(late!)).toEqual([miss]));
    await eventually(async () => expect(await stage.pingCount(inTime!)).toBe(3));
    const state = `SELECT status, baseline_at, next_expected_at FROM heartbeat_runtime WHERE heartbeat_id = $1`;
    const [baseline_at, next_expected_at] = [new Date(deadlineAt + 1), new Date(deadlineAt + 1_001)];
    await eventually(async () =>
      expect(await stage.rows(state, [inTime])).toEqual([{ status: 'up', baseline_at, next_expected_at }]),
    );
    expect(await stage.incidents(inTime!)).toEqual([]);
  });

  /** Guarded by `RuntimeStore.lock` in runtime-store.ts: rows are locked before the watermark is read. */
  it('10. a ping that came in time is applied while its deadline is judged: no alarm', async () => {
    await stage.startScheduler();
    const id = await stage.heartbeat(1, 0, 1);
    const pingedAt = Date.now();
    const deadlineAt = pingedAt + 1_000;
    stage.acceptingSince = pingedAt - 10_000;
    await stage.ping(id, pingedAt);
    await eventually(async () => expect(await stage.pingCount(id)).toBe(1));
    let judgeHasRead = false;
    let goOn = (): void => undefined;
    const until = new Promise<void>((resolve) => (goOn = resolve));
    const { lock } = RuntimeStore.prototype;
    jest.spyOn(RuntimeStore.prototype, 'lock').mockImplementation(async function (this: RuntimeStore, ...args) {
      const rows = await lock.apply(this, args);
      const isJudge = args.length === 4;
      if (isJudge) {
        judgeHasRead = true;
        await until;
      }
      return rows;
    });
    await reached(deadlineAt);
    await stage.pulse(deadlineAt - 1);
    await eventually(() => expect(judgeHasRead).toBe(true));
    await stage.ping(id, deadlineAt);
    await stage.pulse();
    // With the guard the ping waits for the judge; without it, ping and pulse are applied meanwhile.
    const waits = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event IN ('transactionid', 'tuple')`;
    const moved = 'SELECT 1 FROM consumer_offset WHERE partition = $1 AND watermark > $2';
    await eventually(async () => {
      const waiting = await stage.rows(waits);
      const applied = await stage.rows(moved, [shardOf(id, PARTITIONS), new Date(deadlineAt)]);
      expect(waiting.length + applied.length).toBeGreaterThan(0);
    });
    goOn();
    await eventually(async () => {
      expect(await stage.kernel.metrics.registry.metrics()).toMatch(/^flatline_deadlines_judged_total [1-9]/m);
      expect(await stage.pingCount(id)).toBe(2);
    });
    expect((await stage.incidents(id)).filter(({ startedAt }) => startedAt === deadlineAt)).toEqual([]);
  });
});
