import { testDefinition } from '@flatline/test-kit';
import { changeDefinition } from './definition-change';

const definition = testDefinition({ version: 3, name: 'backup', scheduleChangedAt: 1_000 });

describe('a change of a definition', () => {
  it.each([{}, { name: 'backup' }, { intervalSecs: 60, graceSecs: 10 }, { paused: false }, { alertAfterMisses: 2 }])(
    'that changes nothing (%j) is none',
    (change) => {
      expect(changeDefinition(definition, change, 5_000)).toBe(definition);
    },
  );

  it.each([{ intervalSecs: 61 }, { graceSecs: 0 }])('of when it is expected (%j) starts anew', (change) => {
    expect(changeDefinition(definition, change, 5_000)).toMatchObject({ version: 4, scheduleChangedAt: 5_000 });
  });

  it.each([{ name: 'other' }, { alertAfterMisses: 1 }, { paused: true }])(
    'of anything else (%j) leaves what is expected alone',
    (change) => {
      expect(changeDefinition(definition, change, 5_000)).toMatchObject({ version: 4, scheduleChangedAt: 1_000 });
    },
  );

  it('turns an interval into a cron expression, in UTC unless said, and back', () => {
    const cron = changeDefinition(definition, { expression: '30 2 * * *' }, 5_000);
    expect(cron).toMatchObject({ version: 4, scheduleChangedAt: 5_000 });
    expect(cron.schedule).toEqual({ kind: 'cron', expression: '30 2 * * *', timezone: 'UTC' });
    const inBerlin = changeDefinition(cron, { timezone: 'Europe/Berlin' }, 6_000);
    expect(inBerlin).toMatchObject({ version: 5, scheduleChangedAt: 6_000 });
    const later = changeDefinition(inBerlin, { expression: '30 3 * * *' }, 7_000);
    expect(later.schedule).toEqual({ kind: 'cron', expression: '30 3 * * *', timezone: 'Europe/Berlin' });
    expect(changeDefinition(later, { expression: '30 3 * * *', timezone: 'Europe/Berlin' }, 8_000)).toBe(later);
    expect(changeDefinition(later, { intervalSecs: 60 }, 8_000).schedule).toEqual(definition.schedule);
  });

  it('of the zone means nothing to an interval', () => {
    expect(changeDefinition(definition, { timezone: 'Europe/Berlin' }, 5_000)).toBe(definition);
  });

  it('pauses and resumes once each', () => {
    const paused = changeDefinition(definition, { paused: true }, 5_000);
    expect(paused.pauseSpans).toEqual([{ pausedAt: 5_000, resumedAt: null }]);
    expect(changeDefinition(paused, { paused: true }, 6_000)).toBe(paused);
    const resumed = changeDefinition(paused, { paused: false }, 7_000);
    expect(resumed).toMatchObject({ version: 5, pauseSpans: [{ pausedAt: 5_000, resumedAt: 7_000 }] });
    expect(changeDefinition(resumed, { paused: false }, 8_000)).toBe(resumed);
  });

  it('keeps pauses in order when the clock was set back', () => {
    const paused = changeDefinition(definition, { paused: true }, 5_000);
    const resumed = changeDefinition(paused, { paused: false }, 4_000);
    expect(resumed.pauseSpans).toEqual([{ pausedAt: 5_000, resumedAt: 5_000 }]);
    const again = changeDefinition(resumed, { paused: true, intervalSecs: 5 }, 500);
    expect(again.pauseSpans.at(-1)).toEqual({ pausedAt: 5_000, resumedAt: null });
    expect(again.scheduleChangedAt).toBe(1_000);
  });

  it('keeps the last pauses only', () => {
    let current = definition;
    for (let at = 1; at <= 100; at += 1) current = changeDefinition(current, { paused: at % 2 === 1 }, at * 1_000);
    expect(current.pauseSpans).toHaveLength(20);
    expect(current.pauseSpans.at(-1)).toEqual({ pausedAt: 99_000, resumedAt: 100_000 });
  });
});
