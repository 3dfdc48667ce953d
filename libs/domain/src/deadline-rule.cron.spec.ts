import { applyDefinition, applySignal, applyWatermark, deadlineOf, type Fact } from './deadline-rule';
import { initialState, type HeartbeatDefinition, type RuntimeState } from './heartbeat';
import { always, definition } from './test-heartbeat';

const at = (text: string): number => new Date(text).getTime();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Every night at half past two, ten minutes of grace, down at the first miss. */
function nightly(timezone: string, overrides: Partial<HeartbeatDefinition> = {}): HeartbeatDefinition {
  return definition({
    schedule: { kind: 'cron', expression: '30 2 * * *', timezone },
    graceSecs: 600,
    alertAfterMisses: 1,
    scheduleChangedAt: 0,
    ...overrides,
  });
}

/** Pings at the given instants, with the watermark passing every ten minutes between them and for `restMs` after. */
function run(
  definition: HeartbeatDefinition,
  pings: readonly string[],
  restMs = 0,
): { state: RuntimeState; facts: Fact[] } {
  let state = initialState(definition);
  const facts: Fact[] = [];
  let watermark = at(pings[0]!);
  const judgeUntil = (until: number): void => {
    for (; watermark < until; watermark += 10 * MINUTE_MS) {
      const judged = applyWatermark(definition, state, watermark, always);
      state = judged.state;
      facts.push(...judged.facts);
    }
  };
  pings.forEach((ping, index) => {
    judgeUntil(at(ping));
    const signal = { id: `ping-${index}`, kind: 'success', receivedAt: at(ping) } as const;
    const applied = applySignal(definition, state, signal, always);
    state = applied.state;
    facts.push(...applied.facts);
  });
  judgeUntil(at(pings.at(-1)!) + restMs);
  return { state, facts };
}

/** The nights before, of and after each change of clocks, a minute after the job was started by a cron daemon. */
const nights: [string, string, string[]][] = [
  ['America/New_York', 'spring', ['2026-03-07T07:31:00Z', '2026-03-08T07:01:00Z', '2026-03-09T06:31:00Z']],
  ['America/New_York', 'autumn', ['2026-10-31T06:31:00Z', '2026-11-01T07:31:00Z', '2026-11-02T07:31:00Z']],
  ['Europe/Berlin', 'spring', ['2026-03-28T01:31:00Z', '2026-03-29T01:01:00Z', '2026-03-30T00:31:00Z']],
  ['Europe/Berlin', 'autumn', ['2026-10-24T00:31:00Z', '2026-10-25T00:31:00Z', '2026-10-26T01:31:00Z']],
  ['Europe/London', 'spring', ['2026-03-28T02:31:00Z', '2026-03-29T01:31:00Z', '2026-03-30T01:31:00Z']],
  ['Australia/Lord_Howe', 'spring', ['2026-10-02T16:01:00Z', '2026-10-03T15:31:00Z', '2026-10-04T15:31:00Z']],
  ['Asia/Kolkata', 'spring', ['2026-03-28T21:01:00Z', '2026-03-29T21:01:00Z', '2026-03-30T21:01:00Z']],
];

describe('a nightly job over a change of clocks', () => {
  it.each(nights)('in %s, %s, that pings every night is never missed', (timezone, _season, pings) => {
    expect(run(nightly(timezone), pings, 23 * HOUR_MS).facts).toEqual([]);
  });

  it.each(nights)('in %s, %s, that stops is missed at its time and the grace', (timezone, _season, pings) => {
    for (const [night, missed] of pings.slice(1).entries()) {
      const { state, facts } = run(nightly(timezone), pings.slice(0, night + 1), 30 * HOUR_MS);
      // Each job pinged one minute after it was due, so it was due a minute before the ping that does not come.
      const deadlineAt = at(missed) - MINUTE_MS + 10 * MINUTE_MS;
      expect(facts).toContainEqual(expect.objectContaining({ kind: 'wentDown', at: deadlineAt }));
      expect(state.incident).toEqual({ startedAt: deadlineAt, reason: 'missed', misses: 1 });
    }
  });

  it('may run in both of the repeated hours', () => {
    const pings = ['2026-10-24T00:31:00Z', '2026-10-25T00:31:00Z', '2026-10-25T01:31:00Z', '2026-10-26T01:31:00Z'];
    expect(run(nightly('Europe/Berlin'), pings, 23 * HOUR_MS).facts).toEqual([]);
  });

  it('has a grace of real time, whatever the clocks show meanwhile', () => {
    const early = nightly('Europe/Berlin', {
      schedule: { kind: 'cron', expression: '30 1 * * *', timezone: 'Europe/Berlin' },
      graceSecs: 3_600,
    });
    const { state } = run(early, ['2026-03-28T00:31:00Z']);
    expect(deadlineOf(early, state, always)).toBe(at('2026-03-29T01:30:00Z'));
  });
});

describe('(h) (k) a cron expression', () => {
  const utc = nightly('UTC');
  const pinged = run(utc, ['2026-05-10T02:31:00Z']).state;

  it('is expected at its next match after a resume', () => {
    const pauseSpans = [{ pausedAt: at('2026-05-11T01:00:00Z'), resumedAt: at('2026-05-12T03:00:00Z') }];
    const { state } = applyDefinition({ ...utc, version: 2, pauseSpans }, pinged);
    expect(state).toMatchObject({ status: 'up', misses: 0, nextExpectedAt: at('2026-05-13T02:30:00Z') });
  });

  it('that is set later than it would have matched makes no miss of that match', () => {
    const interval = { ...utc, schedule: { kind: 'interval', intervalSecs: 864_000 } } as const;
    const before = run(interval, ['2026-05-10T02:31:00Z']).state;
    const scheduleChangedAt = at('2026-05-12T12:00:00Z');
    const after = applyDefinition({ ...utc, version: 2, scheduleChangedAt }, before);
    expect(after.facts).toEqual([]);
    expect(after.state.nextExpectedAt).toBe(at('2026-05-13T02:30:00Z'));
  });

  it('in another zone is expected at its next match there', () => {
    const schedule = { kind: 'cron', expression: '30 2 * * *', timezone: 'Asia/Kolkata' } as const;
    const scheduleChangedAt = at('2026-05-10T22:00:00Z');
    const { state } = applyDefinition({ ...utc, version: 2, schedule, scheduleChangedAt }, pinged);
    expect(state.nextExpectedAt).toBe(at('2026-05-11T21:00:00Z'));
  });
});

/** Guarded by `sameIncidentFrom` in libs/domain/src/deadline-rule.ts. */
describe('(o) a success read too late, on a schedule', () => {
  const hourly = nightly('UTC', { schedule: { kind: 'cron', expression: '0 * * * *', timezone: 'UTC' } });
  const success = (text: string) => ({ id: `ping-${text}`, kind: 'success', receivedAt: at(text) }) as const;
  const first = applySignal(hourly, initialState(hourly), success('2026-01-05T00:30:00Z'), always).state;
  const down = applyWatermark(hourly, first, at('2026-01-05T01:10:00.001Z'), always).state;

  it('leaves the incident open when it was for the instant before: the next one is missed all the same', () => {
    const { state, facts } = applySignal(hourly, down, success('2026-01-05T00:45:00Z'), always);
    expect(facts).toEqual([]);
    expect(state).toMatchObject({ status: 'down', incident: down.incident, baselineAt: at('2026-01-05T00:45:00Z') });
    expect(applySignal(hourly, state, success('2026-01-05T01:20:00Z'), always).facts).toMatchObject([
      { kind: 'recovered', at: at('2026-01-05T01:20:00Z'), raisedInError: false },
    ]);
  });

  it('ends it as raised in error when it was for the instant that was missed', () => {
    const { state, facts } = applySignal(hourly, down, success('2026-01-05T01:10:00Z'), always);
    expect(facts).toMatchObject([{ kind: 'recovered', raisedInError: true }]);
    expect(state).toMatchObject({ status: 'up', nextExpectedAt: at('2026-01-05T02:00:00Z') });
  });
});
