import { exampleFacts } from './example-facts';
import { cause, expectation, formatDuration, formatInstant, outageMs, summary } from './incident-wording';

describe('the words of a message', () => {
  it.each([
    [0, 'less than a second'],
    [999, 'less than a second'],
    [1_000, '1 second'],
    [59_999, '59 seconds'],
    [60_000, '1 minute'],
    [850_000, '14 minutes 10 seconds'],
    [3_600_000, '1 hour'],
    [7_500_000, '2 hours 5 minutes'],
    [3_600_000 + 59_000, '1 hour'],
    [86_400_000 * 366, '366 days'],
    [86_400_000 * 2 + 3_600_000, '2 days 1 hour'],
  ])('say %d ms as "%s"', (durationMs, words) => {
    expect(formatDuration(durationMs)).toBe(words);
  });

  it('give instants in UTC with the weekday', () => {
    expect(formatInstant(Date.UTC(2026, 0, 5, 3, 12, 7, 999))).toBe('Mon 5 Jan 2026, 03:12:07 UTC');
  });

  it('say how long there was silence and how many pings did not come', () => {
    expect(cause(exampleFacts())).toBe('No ping for 2 hours 5 minutes: 2 in a row did not come.');
    expect(cause(exampleFacts({ incident: { misses: 1 } }))).toContain('one was expected');
    expect(cause(exampleFacts({ heartbeat: { lastPingedAt: null } }))).toMatch(/^No ping has come/);
  });

  it.each(['missed', 'failed', 'overrun', 'unverified'] as const)(
    'have a sentence and a summary for "%s"',
    (reason) => {
      const facts = exampleFacts({ incident: { reason } });
      expect(cause(facts)).toMatch(/^[A-Z].*\.$/);
      expect(summary(facts)).toMatch(/^[a-z].*[a-z]$/);
    },
  );

  it('say how long a heartbeat was down', () => {
    const recovered = exampleFacts({ transition: 'recovered' });
    expect(outageMs(recovered)).toBe(850_000);
    expect(summary(recovered)).toBe('was down for 14 minutes 10 seconds');
  });

  it('say what was expected, for intervals and for schedules, with and without grace', () => {
    expect(expectation(exampleFacts())).toBe('a ping every hour, with 5 minutes of grace');
    expect(expectation(exampleFacts({ heartbeat: { intervalSecs: 90, graceSecs: 0 } }))).toBe(
      'a ping every 1 minute 30 seconds, with no grace',
    );
    expect(expectation(exampleFacts({ heartbeat: { intervalSecs: null } }))).toBe(
      'a ping on its schedule, with 5 minutes of grace',
    );
  });
});
