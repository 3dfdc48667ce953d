import type { Absence } from './heartbeat';
import { initialState } from './heartbeat';
import type { RuleContext } from './absences';
import { applySignal, applyWatermark, deadlineOf } from './deadline-rule';
import { always, at, definition, kinds, LEASE_MS, ping, SECOND, up } from './test-heartbeat';

const away = (...absences: Absence[]): RuleContext => ({ absences, rules: { leaseMs: LEASE_MS } });

describe('(m) a short absence of ours', () => {
  const restart: Absence = { startedAt: at(65), endedAt: at(68) };

  it('lets a deadline it touches wait for one lease after its end, and a ping until then is on time', () => {
    const context = away(restart);
    expect(deadlineOf(definition(), up(), context)).toBe(at(78));
    expect(applyWatermark(definition(), up(), at(78), context).facts).toEqual([]);
    expect(applySignal(definition(), up(), ping(78), context).facts).toEqual([]);
    expect(applyWatermark(definition(), up(), at(78) + 1, context).facts).toMatchObject([{ firstAt: at(78) }]);
  });

  it('counts from the grace before the expected instant, where early pings come in', () => {
    expect(deadlineOf(definition(), up(), away({ startedAt: at(41), endedAt: at(50) }))).toBe(at(70));
    expect(deadlineOf(definition(), up(), away({ startedAt: at(55), endedAt: at(63) }))).toBe(at(73));
  });

  it('leaves a deadline alone that is later anyway or lies elsewhere', () => {
    expect(deadlineOf(definition(), up(), away({ startedAt: at(71), endedAt: at(73) }))).toBe(at(70));
    expect(deadlineOf(definition(), up(), away({ startedAt: at(1), endedAt: at(5) }))).toBe(at(70));
  });

  it('does not hide a job that is really dead', () => {
    const { facts } = applyWatermark(definition(), up(), at(10_000), away(restart));
    expect(facts.at(-1)).toMatchObject({ kind: 'wentDown', at: at(130) });
  });

  describe('and another one before the lease after it is over', () => {
    const again: Absence = { startedAt: at(72), endedAt: at(80) };
    const nervous = definition({ alertAfterMisses: 1 });

    it('lets the lease stand still meanwhile: who comes back has as much time as ever', () => {
      const context = away(restart, again);
      expect(deadlineOf(definition(), up(), context)).toBe(at(86));
      expect(applySignal(definition(), up(), ping(86), context).facts).toEqual([]);
      expect(deadlineOf(definition(), up(), away(restart, { startedAt: at(78), endedAt: at(79) }))).toBe(at(79));
      expect(deadlineOf(definition(), up(), away(restart, { startedAt: at(78) + 1, endedAt: at(80) }))).toBe(at(78));
    });

    it('ends however often we come and go', () => {
      const flickering = Array.from({ length: 1_000 }, (_, round): Absence => {
        return { startedAt: at(65 + round * 5), endedAt: at(68 + round * 5) };
      });
      expect(deadlineOf(definition(), up(), away(...flickering))).toBe(at(98));
    });

    it('is unknown when the other one is a blackout, and nobody is told "down"', () => {
      const blackout: Absence = { startedAt: at(72), endedAt: at(300) };
      const context = away(restart, blackout);
      const { state, facts } = applyWatermark(nervous, up(nervous), at(306) + 1, context);
      expect(facts).toEqual([{ kind: 'unknown', at: at(70), blackout }]);
      expect(state).toMatchObject({ status: 'up', misses: 0, nextExpectedAt: at(360) });
      expect(applyWatermark(nervous, up(nervous), at(306), context).facts).toEqual([]);
      expect(kinds(applySignal(nervous, up(nervous), ping(306), context).facts)).toEqual(['unknown']);
      expect(applySignal(nervous, up(nervous), ping(71), context).facts).toEqual([]);
    });
  });
});

describe('(n) a blackout of ours', () => {
  const blackout: Absence = { startedAt: at(30), endedAt: at(3_000) };

  it('waits a lease for those who come back, then makes the periods it touches unknown; nobody is told "down"', () => {
    expect(deadlineOf(definition(), up(), away(blackout))).toBe(at(3_010));
    expect(applyWatermark(definition(), up(), at(3_010), away(blackout)).facts).toEqual([]);
    const { state, facts } = applyWatermark(definition(), up(), at(3_010) + 1, away(blackout));
    expect(facts).toEqual([{ kind: 'unknown', at: at(70), blackout }]);
    expect(state).toMatchObject({ status: 'up', misses: 0, unknowns: 1, nextExpectedAt: at(3_060) });
  });

  it('takes a ping within the lease as in time, and says all the same which deadline is unknown', () => {
    const { state, facts } = applySignal(definition(), up(), ping(3_005), away(blackout));
    expect(facts).toEqual([{ kind: 'unknown', at: at(70), blackout }]);
    expect(state).toMatchObject({ status: 'up', unknowns: 0, nextExpectedAt: at(3_065) });
  });

  it('says nothing when the ping came before the deadline was over', () => {
    const early: Absence = { startedAt: at(30), endedAt: at(45) };
    expect(applySignal(definition(), up(), ping(50), away(early)).facts).toEqual([]);
  });

  it('touches the whole period, because the job may have pinged at any time of it', () => {
    const early: Absence = { startedAt: at(10), endedAt: at(20) };
    expect(applyWatermark(definition(), up(), at(71), away(early)).facts).toMatchObject([{ kind: 'unknown' }]);
    const before: Absence = { startedAt: at(-50), endedAt: at(0) };
    expect(applyWatermark(definition(), up(), at(71), away(before)).facts).toMatchObject([{ kind: 'missed' }]);
  });

  it('judges the next periods as usual, so a dead job is still found', () => {
    const { facts } = applyWatermark(definition(), up(), at(3_131), away(blackout));
    expect(facts).toMatchObject([
      { kind: 'unknown' },
      { kind: 'missed', firstAt: at(3_070), lastAt: at(3_130), misses: 2 },
      { kind: 'wentDown', at: at(3_130), incident: { reason: 'missed' } },
    ]);
  });

  it('neither counts as a miss nor takes one back', () => {
    const late = applyWatermark(definition(), up(), at(71), always).state;
    const between: Absence = { startedAt: at(100), endedAt: at(120) };
    const { state } = applyWatermark(definition(), late, at(131), away(between));
    expect(state).toMatchObject({ status: 'late', misses: 1, unknowns: 1 });
    expect(applyWatermark(definition(), state, at(191), away(between)).facts).toMatchObject([
      { kind: 'missed', misses: 2 },
      { kind: 'wentDown', incident: { reason: 'missed' } },
    ]);
  });

  it('is one unknown however long it is, also for a heartbeat that goes down at its first miss', () => {
    const nervous = definition({ alertAfterMisses: 1 });
    const { state, facts } = applyWatermark(nervous, up(nervous), at(3_011), away(blackout));
    expect(kinds(facts)).toEqual(['unknown']);
    expect(state).toMatchObject({ status: 'up', unknowns: 1 });
  });

  it('does not take a job down whose interval is shorter than the lease before its next periods are judged', () => {
    const quick = definition({ schedule: { kind: 'interval', intervalSecs: 1 }, graceSecs: 0 });
    const { facts } = applyWatermark(quick, up(quick), at(3_011), away({ startedAt: at(1), endedAt: at(3_000) }));
    expect(facts).toMatchObject([
      { kind: 'unknown' },
      { kind: 'missed', firstAt: at(3_001) },
      { kind: 'wentDown', at: at(3_002), incident: { reason: 'missed' } },
    ]);
  });

  it('costs no time however many periods lie in it', () => {
    const def = definition({ schedule: { kind: 'interval', intervalSecs: 1 }, graceSecs: 0, alertAfterMisses: 100 });
    const year: Absence = { startedAt: at(1), endedAt: at(31_536_000) };
    const { state, facts } = applyWatermark(def, up(def), at(31_536_000) + LEASE_MS + 1, away(year));
    expect(facts[0]).toMatchObject({ kind: 'unknown', at: at(1) });
    expect(state).toMatchObject({ status: 'late', misses: 10, nextExpectedAt: at(31_536_011) });
  });
});

/** Guarded by `isUnverified` in libs/domain/src/unknown-periods.ts. */
describe('(q) blackouts that repeat', () => {
  const first: Absence = { startedAt: at(60), endedAt: at(80) };
  const second: Absence = { startedAt: at(150), endedAt: at(175) };

  it('goes down as unverified at the second unknown in a row, when those who come back have had their lease', () => {
    const context = away(first, second);
    const before = applyWatermark(definition(), up(), at(190), context);
    expect(before).toMatchObject({ state: { status: 'up', unknowns: 1 } });
    const { state, facts } = applyWatermark(definition(), before.state, at(190) + 1, context);
    const incident = { startedAt: at(190), reason: 'unverified', misses: 0 };
    expect(facts).toEqual([
      { kind: 'unknown', at: at(190), blackout: second },
      { kind: 'wentDown', at: at(190), incident, blackout: second },
    ]);
    expect(state).toMatchObject({ status: 'down', incident, unknowns: 2 });
  });

  it('is not down when a ping came between the blackouts, or within the lease after the last', () => {
    const context = away(first, second);
    const heard = applySignal(definition(), up(), ping(130), context).state;
    expect(applyWatermark(definition(), heard, at(201), context).state).toMatchObject({ status: 'up', unknowns: 1 });
    const again = applySignal(definition(), up(), ping(185), context);
    expect(kinds(again.facts)).toEqual(['unknown']);
    expect(again.state).toMatchObject({ status: 'up', unknowns: 0 });
  });

  it('recovers with the next ping like any other', () => {
    const { state } = applyWatermark(definition(), up(), at(191), away(first, second));
    expect(applySignal(definition(), state, ping(300), away(first, second)).facts).toMatchObject([
      { kind: 'recovered', at: at(300), raisedInError: false, incident: { reason: 'unverified' } },
    ]);
  });

  it('finds a job by the observed time alone where misses and unknowns take turns', () => {
    const context = away(first, { startedAt: at(240), endedAt: at(250) });
    const { facts } = applyWatermark(definition(), up(), at(261), context);
    expect(facts).toMatchObject([
      { kind: 'unknown', at: at(70) },
      { kind: 'unknown', at: at(250) },
      { kind: 'missed', firstAt: at(190), lastAt: at(190), misses: 1 },
      { kind: 'wentDown', at: at(260), incident: { reason: 'unverified', misses: 1 } },
    ]);
  });

  it('waits for as many unknowns as misses are allowed', () => {
    const patient = definition({ alertAfterMisses: 5 });
    const { state } = applyWatermark(patient, up(patient), at(191), away(first, second));
    expect(state).toMatchObject({ status: 'up', unknowns: 2 });
  });

  it('does not count an outage that comes and goes before the job could be heard', () => {
    const context = away(
      { startedAt: at(5), endedAt: at(55) },
      { startedAt: at(60), endedAt: at(100) },
      { startedAt: at(122), endedAt: at(200) },
    );
    expect(applyWatermark(definition(), up(), at(211), context)).toMatchObject({
      state: { status: 'up', unknowns: 2 },
      facts: [{ kind: 'unknown' }, { kind: 'unknown' }],
    });
  });

  it('counts observed time from a change of the schedule, not from a ping long before it', () => {
    const hourly = definition({ schedule: { kind: 'interval', intervalSecs: 3_600 } });
    const minutely = definition({ version: 2, scheduleChangedAt: at(3_000) });
    const { state } = applyWatermark(
      minutely,
      up(hourly),
      at(3_071),
      away({ startedAt: at(3_010), endedAt: at(3_025) }),
    );
    expect(state).toMatchObject({ status: 'up', unknowns: 1 });
  });

  it('takes the distance to the next instant as the interval of a cron schedule', () => {
    const monday = Date.parse('2026-01-05T03:00:00Z');
    const hour = 3_600 * SECOND;
    const weekdays = definition({
      schedule: { kind: 'cron', expression: '0 3 * * 1-5', timezone: 'UTC' },
      graceSecs: 3_600,
      alertAfterMisses: 3,
      scheduleChangedAt: monday - 1_000,
    });
    const pinged = applySignal(weekdays, initialState(weekdays), { ...ping(0), receivedAt: monday + SECOND }, always);
    const daily = [1, 2, 3].map((day) => monday + day * 24 * hour);
    const context = away(...daily.map((due) => ({ startedAt: due - 90 * SECOND, endedAt: due - 60 * SECOND })));
    const { facts } = applyWatermark(weekdays, pinged.state, daily[2]! + 2 * hour, context);
    expect(kinds(facts)).toEqual(['unknown', 'unknown', 'unknown', 'wentDown']);
    expect(facts.at(-1)).toMatchObject({ at: daily[2]! + hour, incident: { reason: 'unverified' } });
  });
});
