import fc from 'fast-check';
import { matchAfter, matchBefore } from './cron-expression';

/**
 * Cron expressions against an oracle that shares nothing with the library but the time zones of the runtime: it walks
 * through every minute around a change of clocks and looks whether the expression names it.
 */

const MINUTE_MS = 60_000;
/** No zone changes its clocks within a quarter of an hour. */
const QUARTER_MS = 15 * MINUTE_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const ZONES = [
  'America/New_York',
  'Europe/London',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
  'Asia/Kolkata',
  'UTC',
];
/** With Sao Paulo's last nights of summer time, and a leap year. */
const YEARS = [2018, 2019, 2024, 2026, 2027];

const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clocks of a zone are ahead of UTC at an instant, in ms. */
function offsetAt(timezone: string, at: number): number {
  let format = formats.get(timezone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, dateStyle: 'short', timeStyle: 'medium' });
    formats.set(timezone, format);
  }
  const [, day, month, year, time] = /^(\d\d)\/(\d\d)\/(\d{4}), (\d\d:\d\d:\d\d)$/.exec(format.format(at))!;
  return Date.parse(`${year}-${month}-${day}T${time}Z`) - at;
}

/** The quarters of an hour of a year in which the clocks of a zone have just changed. */
function changesOfClocks(timezone: string, year: number): number[] {
  const changes: number[] = [];
  for (let day = Date.UTC(year, 0, 1); day < Date.UTC(year + 1, 0, 1); day += DAY_MS) {
    if (offsetAt(timezone, day) === offsetAt(timezone, day + DAY_MS)) continue;
    for (let quarter = day + QUARTER_MS; quarter <= day + DAY_MS; quarter += QUARTER_MS) {
      if (offsetAt(timezone, quarter) !== offsetAt(timezone, quarter - QUARTER_MS)) changes.push(quarter);
    }
  }
  return changes;
}

const nights = ZONES.flatMap((timezone) =>
  YEARS.flatMap((year) => {
    const changes = changesOfClocks(timezone, year);
    // Where the clocks stay, the end of February is a night as good as any.
    return (changes.length > 0 ? changes : [Date.UTC(year, 2, 1)]).map((changedAt) => ({ timezone, changedAt }));
  }),
);

/** The numbers that a field names. */
function numbers(field: string, lowest: number, highest: number): Set<number> {
  const named = new Set<number>();
  for (const part of field.split(',')) {
    const [range, step] = part.split('/');
    const [first, last] = range === '*' ? [lowest, highest] : range!.split('-').map(Number);
    for (let number = first!; number <= (last ?? first!); number += Number(step ?? 1)) named.add(number);
  }
  return named;
}

/** Whether an expression names a minute, given as what the clocks show, in ms as if it were UTC. */
function namesMinute(expression: string): (shown: number) => boolean {
  const [minute, hour, day, month, weekday] = expression.split(' ') as [string, string, string, string, string];
  const minutes = numbers(minute, 0, 59);
  const hours = numbers(hour, 0, 23);
  const days = numbers(day, 1, 31);
  const months = numbers(month, 1, 12);
  const weekdays = numbers(weekday, 0, 6);
  return (shown) => {
    const date = new Date(shown);
    if (!minutes.has(date.getUTCMinutes()) || !hours.has(date.getUTCHours())) return false;
    if (!months.has(date.getUTCMonth() + 1)) return false;
    const isDay = days.has(date.getUTCDate());
    const isWeekday = weekdays.has(date.getUTCDay());
    return day === '*' || weekday === '*' ? isDay && isWeekday : isDay || isWeekday;
  };
}

/** Every match later than `from` and earlier than `to`. */
function oracle(expression: string, timezone: string, from: number, to: number): number[] {
  const isNamed = namesMinute(expression);
  const isRhythm = /[*/]/.test(expression.split(' ').slice(0, 2).join(' '));
  const found = new Set<number>();
  let latestShown = from - DAY_MS + offsetAt(timezone, from - DAY_MS) - MINUTE_MS;
  for (let quarter = from - DAY_MS; quarter < to; quarter += QUARTER_MS) {
    const offset = offsetAt(timezone, quarter);
    for (let at = quarter; at < quarter + QUARTER_MS; at += MINUTE_MS) {
      const shown = at + offset;
      const isRepeated = shown <= latestShown;
      if (isNamed(shown) && (isRhythm || !isRepeated)) found.add(at);
      for (let skipped = latestShown + MINUTE_MS; !isRhythm && skipped < shown; skipped += MINUTE_MS) {
        if (isNamed(skipped)) found.add(at);
      }
      latestShown = Math.max(latestShown, shown);
    }
  }
  return [...found].filter((at) => at > from && at < to).sort((a, b) => a - b);
}

const number = (min: number, max: number) => fc.integer({ min, max }).map(String);
const minuteField = fc.oneof(fc.constantFrom('*', '*/5', '*/15', '*/7', '0,30', '5-10', '0-40/20'), number(0, 59));
const hourField = fc.oneof(
  fc.constantFrom('*', '*/2', '0', '1', '2', '3', '23', '1,2', '0-3', '2-3', '0-23/3', '1,2,3,23'),
  number(0, 23),
);
const dayField = fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, number(1, 31), fc.constantFrom('1-7', '*/2'));
const monthField = fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, fc.constantFrom('2,3', '3,4,10,11', '*/3'));
const weekdayField = fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, fc.constantFrom('0', '1-5', '0,6', '3'));
const expressions = fc
  .tuple(minuteField, hourField, dayField, monthField, weekdayField)
  .map((fields) => fields.join(' '));

function forwards(expression: string, timezone: string, from: number, to: number): number[] {
  const found: number[] = [];
  for (let at = matchAfter(expression, timezone, from); at < to; at = matchAfter(expression, timezone, at)) {
    found.push(at);
  }
  return found;
}

function backwards(expression: string, timezone: string, from: number, to: number): number[] {
  const found: number[] = [];
  let at = matchBefore(expression, timezone, to);
  for (; at !== null && at > from; at = matchBefore(expression, timezone, at)) found.unshift(at);
  return found;
}

describe('a cron expression around a change of clocks', () => {
  it('there are such nights in every zone that has them', () => {
    const changing = nights.filter(
      ({ timezone, changedAt }) => changesOfClocks(timezone, new Date(changedAt).getUTCFullYear()).length > 0,
    );
    expect(new Set(changing.map(({ timezone }) => timezone)).size).toBe(5);
    expect(changing).toHaveLength(2 * 4 * YEARS.length + 3);
  });

  it('matches what the oracle says, forwards, backwards and from any instant', () => {
    const samples = fc.record({
      night: fc.constantFrom(...nights),
      expression: expressions,
      share: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(samples, ({ night: { timezone, changedAt }, expression, share }) => {
        const [from, to] = [changedAt - 30 * HOUR_MS, changedAt + 30 * HOUR_MS];
        const expected = oracle(expression, timezone, from, to);
        expect(forwards(expression, timezone, from, to)).toEqual(expected);
        expect(backwards(expression, timezone, from, to)).toEqual(expected);
        const anyInstant = Math.floor(from + share * (to - from));
        const next = expected.find((at) => at > anyInstant);
        if (next !== undefined) expect(matchAfter(expression, timezone, anyInstant)).toBe(next);
        const previous = expected.findLast((at) => at < anyInstant);
        if (previous !== undefined) expect(matchBefore(expression, timezone, anyInstant)).toBe(previous);
      }),
      { numRuns: 400 },
    );
  });
});
