import fc from 'fast-check';
import { FAULT_KINDS, planFaults } from './plan-faults';

const seeds = fc.integer({ min: 1, max: 999_999 });

describe('the schedule of faults', () => {
  it('is a pure function of the seed', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const options = { seed, durationMs: 120_000, kinds: FAULT_KINDS };
        expect(planFaults(options)).toEqual(planFaults(options));
      }),
      { numRuns: 20 },
    );
    const [one, other] = [1, 2].map((seed) => planFaults({ seed, durationMs: 120_000, kinds: FAULT_KINDS }));
    expect(one).not.toEqual(other);
  });

  it('has only the kinds that were asked for, in order, and all are over when the time is', () => {
    fc.assert(
      fc.property(seeds, fc.subarray([...FAULT_KINDS], { minLength: 1 }), (seed, kinds) => {
        const plans = planFaults({ seed, durationMs: 300_000, kinds });
        expect(plans.length).toBeGreaterThan(5);
        for (const [index, { kind, atMs, lastsMs }] of plans.entries()) {
          expect(kinds).toContain(kind);
          expect(atMs).toBeGreaterThan(plans[index - 1]?.atMs ?? 0);
          expect(atMs + lastsMs).toBeLessThanOrEqual(300_000);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('comes to every kind in an hour', () => {
    const plans = planFaults({ seed: 3, durationMs: 3_600_000, kinds: FAULT_KINDS });
    expect(new Set(plans.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
  });
});
