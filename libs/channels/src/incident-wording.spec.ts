import { exampleFacts, unverified } from './example-facts';
import { apology, cause, expectation, formatDuration, formatInstant, outageMs, summary } from './incident-wording';

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

  it('claim no more than we know where Flatline was away itself, and say when it was', () => {
    const facts = exampleFacts({ incident: unverified });
    expect(cause(facts)).toBe(
      'No ping for 2 hours 5 minutes, but Flatline was away from 02:40:00 to 03:02:30 UTC: a ping may have come and ' +
        'not been heard. The job could not be verified; please check it.',
    );
    expect(summary(facts)).toBe('no ping for 2 hours 5 minutes, and we were away');
    const yesterday = { startedAt: Date.UTC(2026, 0, 4, 23, 59, 0), endedAt: unverified.blackout.endedAt };
    expect(cause(exampleFacts({ incident: { ...unverified, blackout: yesterday } }))).toContain(
      'from Sun 4 Jan 2026, 23:59:00 UTC to Mon 5 Jan 2026, 03:02:30 UTC',
    );
    expect(summary(exampleFacts({ transition: 'recovered', incident: unverified }))).toMatch(/^was unverified for/);
  });

  it('say how long a heartbeat was down', () => {
    const recovered = exampleFacts({ transition: 'recovered' });
    expect(outageMs(recovered)).toBe(850_000);
    expect(summary(recovered)).toBe('was down for 14 minutes 10 seconds');
  });

  it('say that an alarm was raised in error, and nothing of a time in which the job was down', () => {
    const raised = exampleFacts({ transition: 'recovered', incident: { raisedInError: true } });
    expect(summary(raised)).toBe('raised in error, the ping had come in time');
    expect(apology(raised)).toBe(
      'The alarm was raised in error: the ping had come in time, but Flatline heard of it too late.',
    );
    expect(apology(exampleFacts({ transition: 'recovered' }))).toBeNull();
  });

  it('say what was expected, for intervals and for schedules, with and without grace', () => {
    expect(expectation(exampleFacts())).toBe('a ping every hour, with 5 minutes of grace');
    expect(expectation(exampleFacts({ heartbeat: { intervalSecs: 90, graceSecs: 0 } }))).toBe(
      'a ping every 1 minute 30 seconds, with no grace',
    );
    expect(expectation(exampleFacts({ heartbeat: { intervalSecs: null } }))).toBe(
      'a ping on its schedule, with 5 minutes of grace',
    );
    const cron = { intervalSecs: null, schedule: '30 2 * * MON-FRI', timezone: 'Europe/Berlin' };
    expect(expectation(exampleFacts({ heartbeat: cron }))).toBe(
      'a ping at 30 2 * * MON-FRI (Europe/Berlin), with 5 minutes of grace',
    );
  });
});
