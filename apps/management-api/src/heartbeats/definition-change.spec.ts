import type { HeartbeatDefinition } from '@flatline/domain';
import { changeDefinition } from './definition-change';

const definition: HeartbeatDefinition = {
  heartbeatId: '0198c5a0-7c5e-7f8a-9d1e-0123456789ab',
  projectId: '0198c5a0-7c5e-7f8a-9d1e-0123456789ac',
  version: 3,
  name: 'backup',
  schedule: { kind: 'interval', intervalSecs: 60 },
  graceSecs: 10,
  alertAfterMisses: 2,
  scheduleChangedAt: 1_000,
  pauseSpans: [],
  tokenGeneration: 0,
};

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
