import fc from 'fast-check';
import { cronRefusal, matchAfter, matchBefore, spelledTimezone, UnusableSchedule } from './cron-expression';

const T0 = Date.UTC(2026, 10, 26);
const at = (text: string): number => new Date(text).getTime();

/** All matches between two instants, asked for one after the other. */
function matches(expression: string, timezone: string, from: string, to: string): string[] {
  const found: string[] = [];
  for (
    let match = matchAfter(expression, timezone, at(from) - 1);
    match < at(to);
    match = matchAfter(expression, timezone, match)
  ) {
    found.push(`${new Date(match).toISOString().slice(0, 16)}Z`);
  }
  return found;
}

describe('a night in which the clocks change', () => {
  // Each instant was computed with another implementation of time zones (zoneinfo of Python), not with our library.
  it.each([
    ['skips 02:30', 'America/New_York', '30 2 * * *', ['2026-03-07T07:30Z', '2026-03-08T07:00Z', '2026-03-09T06:30Z']],
    ['skips 02:30', 'Europe/Berlin', '30 2 * * *', ['2026-03-28T01:30Z', '2026-03-29T01:00Z', '2026-03-30T00:30Z']],
    ['skips 01:30', 'Europe/London', '30 1 * * *', ['2026-03-28T01:30Z', '2026-03-29T01:00Z', '2026-03-30T00:30Z']],
    [
      'skips half an hour',
      'Australia/Lord_Howe',
      '15 2 * * *',
      ['2026-10-02T15:45Z', '2026-10-03T15:30Z', '2026-10-04T15:15Z'],
    ],
    [
      'skips midnight',
      'America/Sao_Paulo',
      '0 0 * * *',
      ['2018-11-03T03:00Z', '2018-11-04T03:00Z', '2018-11-05T02:00Z'],
    ],
    [
      'skips two of its times',
      'America/New_York',
      '0,30 2 * * *',
      ['2026-03-07T07:00Z', '2026-03-07T07:30Z', '2026-03-08T07:00Z', '2026-03-09T06:00Z', '2026-03-09T06:30Z'],
    ],
    [
      'repeats 01:30',
      'America/New_York',
      '30 1 * * *',
      ['2026-10-31T05:30Z', '2026-11-01T05:30Z', '2026-11-02T06:30Z'],
    ],
    ['repeats 02:30', 'Europe/Berlin', '30 2 * * *', ['2026-10-24T00:30Z', '2026-10-25T00:30Z', '2026-10-26T01:30Z']],
    ['repeats 01:30', 'Europe/London', '30 1 * * *', ['2026-10-24T00:30Z', '2026-10-25T00:30Z', '2026-10-26T01:30Z']],
    [
      'repeats half an hour',
      'Australia/Lord_Howe',
      '45 1 * * *',
      ['2026-04-03T14:45Z', '2026-04-04T14:45Z', '2026-04-05T15:15Z'],
    ],
    [
      'repeats 23:30',
      'America/Sao_Paulo',
      '30 23 * * *',
      ['2019-02-16T01:30Z', '2019-02-17T01:30Z', '2019-02-18T02:30Z'],
    ],
    [
      'repeats one hour of a range',
      'America/New_York',
      '0 0-3 * * *',
      ['2026-11-01T04:00Z', '2026-11-01T05:00Z', '2026-11-01T07:00Z', '2026-11-01T08:00Z'],
    ],
  ])('%s in %s: %s comes once', (_what, timezone, expression, expected) => {
    const from = expected[0]!;
    const to = new Date(at(expected.at(-1)!) + 60_000).toISOString();
    expect(matches(expression, timezone, from, to)).toEqual(expected);
  });

  it.each([
    [
      'leaves skipped minutes out',
      'America/New_York',
      '*/30 1-3 * * *',
      ['2026-03-08T06:00Z', '2026-03-08T06:30Z', '2026-03-08T07:00Z', '2026-03-08T07:30Z'],
    ],
    [
      'leaves skipped minutes out',
      'Australia/Lord_Howe',
      '15 * * * *',
      ['2026-10-03T14:45Z', '2026-10-03T16:15Z', '2026-10-03T17:15Z'],
    ],
    [
      'counts repeated minutes twice',
      'America/New_York',
      '*/30 1 * * *',
      ['2026-11-01T05:00Z', '2026-11-01T05:30Z', '2026-11-01T06:00Z', '2026-11-01T06:30Z'],
    ],
  ])('%s for a rhythm in %s: %s', (_what, timezone, expression, expected) => {
    const from = expected[0]!;
    const to = new Date(at(expected.at(-1)!) + 60_000).toISOString();
    expect(matches(expression, timezone, from, to)).toEqual(expected);
  });
});

describe('where the clocks do not change', () => {
  it.each([
    ['America/Sao_Paulo', '0 0 * * *', ['2026-11-01T03:00Z', '2026-11-02T03:00Z']],
    ['Asia/Kolkata', '30 2 * * *', ['2026-03-28T21:00Z', '2026-03-29T21:00Z']],
    ['UTC', '30 2 * * *', ['2026-03-28T02:30Z', '2026-03-29T02:30Z']],
  ])('every day is like the other: %s, %s', (timezone, expression, expected) => {
    const to = new Date(at(expected.at(-1)!) + 60_000).toISOString();
    expect(matches(expression, timezone, expected[0]!, to)).toEqual(expected);
  });
});

describe('a leap day', () => {
  it('comes in leap years alone', () => {
    const found = matches('0 12 29 2 *', 'Europe/Berlin', '2023-01-01T00:00Z', '2033-01-01T00:00Z');
    expect(found).toEqual(['2024-02-29T11:00Z', '2028-02-29T11:00Z', '2032-02-29T11:00Z']);
    expect(matchBefore('0 12 29 2 *', 'Europe/Berlin', at('2032-02-29T11:00Z'))).toBe(at('2028-02-29T11:00Z'));
  });

  it('is the last day of February when there is one', () => {
    const found = matches('0 0 L 2 *', 'UTC', '2027-01-01T00:00Z', '2030-01-01T00:00Z');
    expect(found).toEqual(['2027-02-28T00:00Z', '2028-02-29T00:00Z', '2029-02-28T00:00Z']);
  });

  it('is found on one weekday, across a century that has none', () => {
    expect(matchAfter('0 0 29 2 +MON', 'UTC', at('2072-03-01T00:00Z'))).toBe(at('2112-02-29T00:00Z'));
    expect(matchBefore('0 0 29 2 +MON', 'UTC', at('2112-02-29T00:00Z'))).toBe(at('2072-02-29T00:00Z'));
  });
});

describe('an expression', () => {
  it.each([
    '* * * * *',
    '*/5 9-17 * JAN,mar MON-FRI',
    '0 0 29 2 *',
    '0 0 31 * *',
    '0 0 L * *',
    '0 9 * * 1#2',
    '59 23 31 12 7',
    '  30\t2   * * *  ',
    '@daily',
    '@Hourly',
    '@weekly',
    '@monthly',
    '@yearly',
    '@annually',
    '@midnight',
  ])('%j is taken', (expression) => {
    expect(cronRefusal(expression, 'Europe/Berlin')).toBeNull();
  });

  it.each([
    ['', 'not five fields'],
    ['* * * *', 'not five fields'],
    ['0 * * * * *', 'not five fields'],
    ['0 0 0 1 1 * 2030', 'not five fields'],
    ['@reboot', 'not five fields'],
    ['@every 5m', 'not five fields'],
    ['__proto__', 'not five fields'],
    ['constructor', 'not five fields'],
    ['0 0 31 2 *', 'never matches'],
    ['0 0 30 2 *', 'never matches'],
    ['0 0 31 4,6,9,11 *', 'never matches'],
    ['0 0 30 FEB +MON', 'never matches'],
  ])('%j is refused: %s', (expression, kind) => {
    expect(cronRefusal(expression, 'UTC')).toEqual({ kind });
  });

  it.each([
    ['60 * * * *', 'minute'],
    ['-1 * * * *', 'minute'],
    ['5/10 * * * *', 'minute'],
    ['* 24 * * *', 'hour'],
    ['* ١ * * *', 'hour'],
    ['* * 0 * *', 'day of month'],
    ['* * 32 * *', 'day of month'],
    ['* * * 13 *', 'month'],
    ['* * * FOO *', 'month'],
    ['* * * * 8', 'day of week'],
    ['* * * * MON-', 'day of week'],
    ['* * * * 2026-01-01T00:00:00', 'day of week'],
    ['*/0 * * * *', 'minute'],
    ['1-99999999999 * * * *', 'minute'],
  ])('%j is refused for its %s', (expression, field) => {
    expect(cronRefusal(expression, 'UTC')).toEqual({ kind: 'bad field', field });
  });

  it('that only ever names skipped minutes never comes', () => {
    expect(cronRefusal('*/15 2 * 3 SUN#2', 'America/New_York')).toEqual({ kind: 'never matches' });
    expect(cronRefusal('*/15 2 * 3 SUN#2', 'UTC')).toBeNull();
  });

  /**
   * Guarded by `SEARCHED_YEARS` in cron-expression.ts: without it the library looks at each day up to the year 3000, and
   * one of these takes 2 to 3 million steps.
   */
  it.each([
    ['59 23 31 2,4,6,9,11 +MON,TUE,WED', 'UTC'],
    ['* 2 * 3 SUN#2', 'America/New_York'],
    ['* * 31W 2,4,6,9,11 +MON,TUE,WED,THU', 'Antarctica/Troll'],
  ])('without a match costs little: %s in %s', (expression, timezone) => {
    const steps = jest.spyOn(Date, 'UTC');
    try {
      expect(() => matchAfter(expression, timezone, at('2026-05-01T00:00Z'))).toThrow(UnusableSchedule);
      matchBefore(expression, timezone, at('2026-05-01T00:00Z'));
      expect(steps.mock.calls.length).toBeLessThan(300_000);
    } finally {
      steps.mockRestore();
    }
  });

  it('of anything at all is taken or refused, and never throws', () => {
    const characters = [...'0123456789*,-/#LW+? @:SUNJAdaily'];
    const text = fc.array(fc.constantFrom(...characters), { maxLength: 40 }).map((parts) => parts.join(''));
    const field = fc.constantFrom(
      '*',
      '0',
      '*/7',
      '1-5',
      '31',
      '2',
      'SUN#5',
      'L',
      '31W',
      '0,30',
      '+1',
      '?',
      '99',
      '5/2',
    );
    const fields = fc.array(field, { minLength: 5, maxLength: 5 }).map((parts) => parts.join(' '));
    fc.assert(
      fc.property(fc.oneof(text, fields), (expression) => {
        const refusal = cronRefusal(expression, 'UTC');
        if (refusal === null) expect(matchAfter(expression, 'UTC', T0)).toBeGreaterThan(T0);
        else expect(() => matchAfter(expression, 'UTC', T0)).toThrow(UnusableSchedule);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a time zone', () => {
  it.each([
    ['Europe/Berlin', 'Europe/Berlin'],
    ['europe/berlin', 'Europe/Berlin'],
    ['America/Argentina/Buenos_Aires', 'America/Argentina/Buenos_Aires'],
    ['Asia/Kolkata', 'Asia/Kolkata'],
    ['US/Eastern', 'US/Eastern'],
    ['Etc/GMT+5', 'Etc/GMT+5'],
    ['utc', 'UTC'],
    ['CET', 'CET'],
  ])('%s is spelled %s', (name, spelled) => {
    expect(spelledTimezone(name)).toBe(spelled);
  });

  it.each([
    '',
    'Europe/Atlantis',
    '+02:00',
    'UTC+2',
    'CEST',
    'PST',
    'IST',
    'Z',
    ' UTC',
    'Europe/Berlin ',
    '../etc/passwd',
  ])('%j is none', (name) => {
    expect(spelledTimezone(name)).toBeNull();
  });
});
