import fc from 'fast-check';
import { nextExpected, previousExpected, UnusableSchedule, usualPeriodSecs, type Schedule } from './index';

const T0 = 1_760_000_000_000;
const everyMinute: Schedule = { kind: 'interval', intervalSecs: 60 };
const cron = (expression: string, timezone = 'UTC'): Schedule => ({ kind: 'cron', expression, timezone });
const utc = (text: string): number => new Date(text).getTime();

describe('an interval schedule', () => {
  it('expects the first ping one interval after the baseline', () => {
    expect(nextExpected(everyMinute, T0, T0)).toBe(T0 + 60_000);
    expect(nextExpected(everyMinute, T0, T0 - 5_000_000)).toBe(T0 + 60_000);
  });

  it('expects L + k·I, the first one after the given instant', () => {
    expect(nextExpected(everyMinute, T0, T0 + 60_000)).toBe(T0 + 120_000);
    expect(nextExpected(everyMinute, T0, T0 + 60_000, true)).toBe(T0 + 60_000);
    expect(nextExpected(everyMinute, T0, T0 + 60_001, true)).toBe(T0 + 120_000);
  });

  it('is strictly later than asked for, by at most one interval, and on the grid, for any numbers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 31_622_400 }),
        fc.integer({ min: 0, max: 10 ** 12 }),
        (intervalSecs, sinceMs) => {
          const next = nextExpected({ kind: 'interval', intervalSecs }, T0, T0 + sinceMs);
          expect(next).toBeGreaterThan(T0 + sinceMs);
          expect(next - (T0 + sinceMs)).toBeLessThanOrEqual(intervalSecs * 1000);
          expect((next - T0) % (intervalSecs * 1000)).toBe(0);
        },
      ),
    );
  });

  it('knows the instant before, which is never before the baseline', () => {
    expect(previousExpected(everyMinute, T0, T0 + 120_000)).toBe(T0 + 60_000);
    expect(previousExpected(everyMinute, T0, T0 + 60_000)).toBe(T0);
  });
});

describe('a cron schedule', () => {
  it('expects the next match in its zone', () => {
    const daily = cron('30 2 * * *', 'Europe/Berlin');
    expect(nextExpected(daily, utc('2026-01-10T05:00:00Z'), utc('2026-01-10T05:00:00Z'))).toBe(
      utc('2026-01-11T01:30:00Z'),
    );
    expect(nextExpected(daily, utc('2026-07-10T05:00:00Z'), utc('2026-07-10T05:00:00Z'))).toBe(
      utc('2026-07-11T00:30:00Z'),
    );
  });

  it('takes a match at the instant itself when asked inclusively', () => {
    const hourly = cron('0 * * * *');
    const hour = utc('2026-01-10T05:00:00Z');
    expect(nextExpected(hourly, hour - 1, hour, true)).toBe(hour);
    expect(nextExpected(hourly, hour - 1, hour)).toBe(hour + 3_600_000);
  });

  it('knows the match before', () => {
    const hourly = cron('0 * * * *');
    const hour = utc('2026-01-10T05:00:00Z');
    expect(previousExpected(hourly, 0, hour)).toBe(hour - 3_600_000);
    expect(previousExpected(hourly, hour - 60_000, hour)).toBe(hour - 60_000);
  });

  it.each([
    ['no expression at all', '', 'UTC'],
    ['too many fields', '0 0 0 1 1 * 2030', 'UTC'],
    ['a zone that does not exist', '0 0 * * *', 'Europe/Atlantis'],
    ['a day that never comes', '0 0 31 2 *', 'UTC'],
  ])('is unusable with %s', (_what, expression, timezone) => {
    expect(() => nextExpected(cron(expression, timezone), T0, T0)).toThrow(UnusableSchedule);
  });
});

describe('about how often a ping is expected', () => {
  it.each([
    [everyMinute, 60],
    [cron('*/5 9-17 * * MON-FRI', 'America/New_York'), 300],
    [cron('30 2 * * *', 'Europe/Berlin'), 86_400],
    [cron('0 3,4 * * *'), 3_600],
    [cron('@monthly'), 28 * 86_400],
    [cron('0 0 29 2 *'), 1_461 * 86_400],
    [cron('0 0 31 2 *'), 0],
    [cron('nonsense'), 0],
  ])('%j: %d seconds', (schedule, seconds) => {
    expect(usualPeriodSecs(schedule)).toBe(seconds);
    expect(usualPeriodSecs(schedule)).toBe(seconds);
  });
});
