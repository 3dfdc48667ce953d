import { BEHAVIOURS, planJobs } from './plan-jobs';

const MINUTE_MS = 60_000;

describe('the population', () => {
  it('is a pure function of the seed', () => {
    const options = { seed: 5, jobs: 40, durationMs: 10 * MINUTE_MS };
    expect(planJobs(options)).toEqual(planJobs(options));
    expect(planJobs(options)).not.toEqual(planJobs({ ...options, seed: 6 }));
  });

  it('has jobs of every behaviour, and the first ones stay the same when there are more', () => {
    const many = planJobs({ seed: 5, jobs: 60, durationMs: MINUTE_MS });
    expect(new Set(many.map(({ behaviour }) => behaviour))).toEqual(new Set(BEHAVIOURS));
    expect(planJobs({ seed: 5, jobs: 7, durationMs: MINUTE_MS })).toEqual(many.slice(0, 7));
  });

  it('gives whoever is steady the time to try again before the alarm', () => {
    const steady = planJobs({ seed: 5, jobs: 200, durationMs: 10 * MINUTE_MS }).filter(
      ({ behaviour }) => behaviour === 'steady',
    );
    for (const { intervalSecs, graceSecs, alertAfterMisses } of steady) {
      expect((alertAfterMisses - 1) * intervalSecs + graceSecs).toBeGreaterThanOrEqual(14);
      expect(intervalSecs).toBeLessThanOrEqual(60);
    }
  });

  it('keeps whoever comes back silent for long enough to be told of', () => {
    const returning = planJobs({ seed: 5, jobs: 200, durationMs: 10 * MINUTE_MS }).filter(
      ({ behaviour }) => behaviour === 'returns',
    );
    for (const { intervalSecs, graceSecs, alertAfterMisses, spells } of returning) {
      expect(spells.length).toBeGreaterThan(1);
      for (const [index, { fromMs }] of spells.slice(1).entries()) {
        const silentMs = fromMs - spells[index]!.untilMs;
        expect(silentMs).toBeGreaterThan(1000 * (alertAfterMisses * intervalSecs + graceSecs));
      }
    }
  });
});
