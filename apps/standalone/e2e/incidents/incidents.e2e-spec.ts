import { PERIOD_MS, pingAtTheDeadline } from './at-the-deadline';
import { BURST, fallSilentAtOnce, TOLD_WITHIN_MS } from './burst';
import { forceAnImpossibleSchedule, OTHERS_INTERVAL_MS } from './impossible-schedule';
import { takeTheIngestAway } from './ingest-away';
import {
  killBeforeTheResultIsWrittenDown,
  killInTheGraceTime,
  killOnTheWayToTheNotification,
  killTheBroker,
} from './kills';
import { alertsOf, falseAlarms, missedAlarms } from './outcome';
import {
  FLAPPING_INTERVAL_MS,
  FLAPPING_SILENT_MS,
  QUEUED_PINGS,
  STEADY_INTERVAL_MS,
  stopTheScheduler,
} from './scheduler-away';
import { Stack, type StackName, STACKS } from './stack';

/** Shared outages are long on a busy machine. */
jest.setTimeout(300_000);

/** It takes less than half of this for the burst; what would grow with every message of 5 000 does not stay below. */
const NOTIFIER_LIMIT_BYTES = 400 * 1024 * 1024;

/**
 * What happened to well-known monitoring services, done to this one: see docs/incidents.md. Every test carries the number
 * of its incident and names the place that guards it; 7 and 12 are tested in apps/deadline-scheduler. The two stacks go
 * through each incident at the same time, which halves the waiting.
 */
describe('an incident that happened elsewhere', () => {
  let stacks: readonly Stack[] = [];
  beforeAll(async () => {
    const started = await Promise.allSettled(STACKS.map((name) => Stack.start(name)));
    stacks = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    for (const each of started) if (each.status === 'rejected') throw each.reason;
  }, 180_000);
  afterAll(async () => {
    await Promise.all(stacks.map((stack) => stack.stop()));
  }, 60_000);

  /** Lets something happen to every stack at once, when first asked for; then answers what came of it on each. */
  function onEach<Result>(happens: (stack: Stack) => Promise<Result>): (name: StackName) => Promise<Result> {
    let results: Map<StackName, Promise<Result>> | null = null;
    return (name) => {
      if (!results) {
        results = new Map(stacks.map((stack) => [stack.name, happens(stack)]));
        for (const result of results.values()) result.catch(() => undefined); // thrown where it is asked for
      }
      return results.get(name)!;
    };
  }

  const schedulerAway = onEach(stopTheScheduler);

  /** Guarded by `foldWatermark` in apps/deadline-scheduler/src/fold.ts: judged up to the watermark, not to the clock. */
  it.each(STACKS)('1. the scheduler stops for two intervals: who pinged meanwhile is not alerted (%s)', async (on) => {
    const { steady, silent } = await schedulerAway(on);
    for (const outcome of steady) {
      expect(falseAlarms(outcome, STEADY_INTERVAL_MS)).toEqual([]);
      expect(outcome.incidents.map(({ startedAt }) => startedAt)).toEqual(expect.arrayContaining(alertsOf(outcome)));
    }
    const deadlineAt = silent.pingedAt[0]! + STEADY_INTERVAL_MS;
    expect(silent.told).toEqual([expect.objectContaining({ type: 'heartbeat.down', occurredAt: deadlineAt })]);
  });

  /** Guarded by `foldWatermark` in apps/deadline-scheduler/src/fold.ts: pings first, judgement after. */
  it.each(STACKS)('2. 10 000 pings queue up, and the alerting side starts first: no false alert (%s)', async (on) => {
    const { busy, busyAcknowledged } = await schedulerAway(on);
    expect(busyAcknowledged).toBeGreaterThan(QUEUED_PINGS);
    expect(busy.reduce((sum, { pingedAt }) => sum + pingedAt.length, 0)).toBe(busyAcknowledged);
    expect(busy.flatMap((outcome) => falseAlarms(outcome, STEADY_INTERVAL_MS))).toEqual([]);
  });

  /**
   * Guarded by the one transaction of `Judge.judgeTogether` in apps/deadline-scheduler/src/judge.ts, and by that of
   * `IncidentConsumer.inTransaction` in apps/notifier/src/incident-consumer.ts.
   */
  it.each(STACKS)('3. killed between "is down" and "notification queued": exactly one alert (%s)', async (on) => {
    const { told, statusAfter } = await killedOnTheWay(on);
    expect(statusAfter).toEqual({ schedulerKill: 'active', notifierKill: 'failing' });
    expect(told.map(({ type }) => type)).toEqual(['heartbeat.down', 'heartbeat.recovered']);
  });
  const killedOnTheWay = onEach(killOnTheWayToTheNotification);

  /** Guarded by `notificationId` in apps/notifier/src/plan-notifications.ts. */
  it.each(STACKS)('4. killed between the receiver’s 200 and the commit: one duplicate, same key (%s)', async (on) => {
    const [down, again, recovered, ...others] = await killedBeforeWriting(on);
    expect(again).toMatchObject({ type: 'heartbeat.down', key: down?.key });
    expect(recovered?.type).toBe('heartbeat.recovered');
    expect(others).toEqual([]);
  });
  const killedBeforeWriting = onEach(killBeforeTheResultIsWrittenDown);

  /**
   * Guarded by `cronRefusal` in libs/domain/src/cron-expression.ts, and, once it is in the database, by `unlessMisfit` in
   * apps/deadline-scheduler/src/fold.ts.
   */
  it.each(STACKS)('5. a schedule that never comes: refused; forced in, all others alert in time (%s)', async (on) => {
    const { answer, forced, others } = await impossibleSchedule(on);
    expect(answer).toMatchObject({ status: 422, json: { errors: [expect.objectContaining({ field: 'schedule' })] } });
    expect(forced.told).toEqual([]);
    expect(forced.misconfigured).toMatch(/./);
    for (const { pingedAt, told } of others) {
      expect(told.map(({ type, occurredAt }) => [type, occurredAt])).toEqual([
        ['heartbeat.down', pingedAt[0]! + OTHERS_INTERVAL_MS],
      ]);
      expect(told[0]!.receivedAt - told[0]!.occurredAt).toBeLessThan(15_000);
    }
  });
  const impossibleSchedule = onEach(forceAnImpossibleSchedule);

  /** Guarded by `applySignal` in libs/domain/src/deadline-rule.ts (l): misses first, then the recovery. */
  it.each(STACKS)('6. down and up again while the evaluator is stopped: both at their true times (%s)', async (on) => {
    const { flapping } = await schedulerAway(on);
    const [first, second] = flapping.pingedAt;
    expect(second! - first!).toBeGreaterThanOrEqual(FLAPPING_SILENT_MS);
    const [startedAt, endedAt] = [first! + FLAPPING_INTERVAL_MS, second!];
    expect(flapping.incidents[0]).toEqual({ startedAt, endedAt });
    expect(flapping.told.slice(0, 2).map(({ type, occurredAt }) => [type, occurredAt])).toEqual([
      ['heartbeat.down', startedAt],
      ['heartbeat.recovered', endedAt],
    ]);
  });

  /** Guarded by `RuntimeStore.write` in apps/deadline-scheduler/src/runtime-store.ts: what is expected is in the row. */
  it.each(STACKS)('8. restarted in the middle of the grace time: the deadline stays (%s)', async (on) => {
    const { pingedAt, incidents, told, periodMs } = await killedInTheGraceTime(on);
    const deadlineAt = pingedAt[0]! + periodMs;
    expect(incidents).toEqual([{ startedAt: deadlineAt, endedAt: null }]);
    expect(told.map(({ type, occurredAt }) => [type, occurredAt])).toEqual([['heartbeat.down', deadlineAt]]);
  });
  const killedInTheGraceTime = onEach(killInTheGraceTime);

  /**
   * Guarded by `DeliveryStore.claim` in apps/notifier/src/delivery-store.ts: nothing dropped, nothing told twice. Memory
   * and time by the lanes of `Deliverer` in apps/notifier/src/deliverer.ts.
   */
  it('9. 5 000 heartbeats go down in the same second: all told, once, soon, in bounded memory', async () => {
    const { ids, downs, recoveries, requests, notifierPeakBytes } = await fallSilentAtOnce(stacks[0]!);
    const idsOf = (told: typeof downs) => told.map(({ heartbeatId }) => heartbeatId).sort();
    expect(idsOf(downs)).toEqual([...ids].sort());
    expect(idsOf(recoveries)).toEqual([...ids].sort());
    expect(requests).toBe(2 * BURST);
    expect(Math.max(...downs.map(({ occurredAt, receivedAt }) => receivedAt - occurredAt))).toBeLessThan(
      TOLD_WITHIN_MS,
    );
    expect(notifierPeakBytes).toBeLessThan(NOTIFIER_LIMIT_BYTES);
  });

  /**
   * Guarded by `foldWatermark` in apps/deadline-scheduler/src/fold.ts. Single milliseconds and the lock of the row are in
   * apps/deadline-scheduler/src/incidents.integration-spec.ts.
   */
  it.each(STACKS)(
    '10. pinged at the deadline under contention: never both "up" and an alert for it (%s)',
    async (on) => {
      for (const outcome of await pingedAtTheDeadline(on)) {
        expect(falseAlarms(outcome, PERIOD_MS)).toEqual([]);
        expect(missedAlarms(outcome, PERIOD_MS, 500)).toEqual([]);
        const downs = outcome.told.filter(({ type }) => type === 'heartbeat.down');
        expect(downs.map(({ occurredAt }) => occurredAt)).toEqual(outcome.incidents.map(({ startedAt }) => startedAt));
      }
    },
  );
  const pingedAtTheDeadline = onEach(pingAtTheDeadline);

  /**
   * Guarded by (n) of `applyWatermark` in libs/domain/src/deadline-rule.ts, and by `presumedAbsences` in watermark.ts beside
   * it. Three minutes and every kind of heartbeat are in apps/deadline-scheduler/src/blackouts.integration-spec.ts.
   */
  it.each(STACKS)(
    '11. all ingests are away: deadlines in that time are unknown, nobody is told "down" (%s)',
    async (on) => {
      const { from, to, steady, ended, unknownAt } = await ingestAway(on);
      for (const at of unknownAt) {
        expect(at).toHaveLength(1);
        expect(at[0]).toBeGreaterThan(from);
        expect(at[0]).toBeLessThan(to);
      }
      expect(steady.flatMap(({ incidents, told }) => [...incidents, ...told])).toEqual([]);
      // The job that has ended is found all the same, in a time of which we know everything.
      expect(ended.told).toHaveLength(1);
      expect(ended.told[0]!.occurredAt).toBeGreaterThan(to);
    },
  );
  const ingestAway = onEach(takeTheIngestAway);

  /** Guarded by `AppendLane.settle` in apps/ingest/src/append-lane.ts: no answer before the log has the ping. */
  it.each(STACKS)('13. the broker is killed: every acknowledged ping is in the history, once (%s)', async (on) => {
    const { acknowledged, stored } = await brokerKilled(on);
    expect(acknowledged.filter((id) => !stored.includes(id))).toEqual([]);
    expect(new Set(stored).size).toBe(stored.length);
  });
  const brokerKilled = onEach(killTheBroker);
});
