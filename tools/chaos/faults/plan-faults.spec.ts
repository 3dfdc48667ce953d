import fc from 'fast-check';
import { kindsOf, planFaults, type WorldName } from './plan-faults';

const seeds = fc.integer({ min: 1, max: 999_999 });
const WORLDS: readonly WorldName[] = ['cluster', 'embedded'];

describe.each(WORLDS)('the schedule of faults of the world %s', (world) => {
  const kinds = kindsOf(world);

  it('is a pure function of the seed', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const options = { world, seed, durationMs: 120_000, kinds };
        expect(planFaults(options)).toEqual(planFaults(options));
      }),
      { numRuns: 20 },
    );
    const [one, other] = [1, 2].map((seed) => planFaults({ world, seed, durationMs: 120_000, kinds }));
    expect(one).not.toEqual(other);
  });

  it('has only the kinds that were asked for, in order, and all are over when the time is', () => {
    fc.assert(
      fc.property(seeds, fc.subarray([...kinds], { minLength: 1 }), (seed, some) => {
        const plans = planFaults({ world, seed, durationMs: 600_000, kinds: some });
        expect(plans.length).toBeGreaterThan(5);
        for (const [index, { kind, atMs, lastsMs }] of plans.entries()) {
          expect(some).toContain(kind);
          expect(atMs).toBeGreaterThan(plans[index - 1]?.atMs ?? 0);
          expect(atMs + lastsMs).toBeLessThanOrEqual(600_000);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('comes to every kind in an hour', () => {
    const plans = planFaults({ world, seed: 3, durationMs: 3_600_000, kinds });
    expect(new Set(plans.map(({ kind }) => kind))).toEqual(new Set(kinds));
  });
});

describe('the worlds', () => {
  it('have nothing in common that a fault is made to, but the receiver of messages', () => {
    const targets = WORLDS.map(
      (world) =>
        new Set(
          planFaults({ world, seed: 3, durationMs: 36_000_000, kinds: kindsOf(world) }).map((plan) => plan.target),
        ),
    );
    const [cluster, embedded] = targets as [Set<string>, Set<string>];
    expect([...embedded].filter((target) => cluster.has(target))).toEqual([]);
    expect([...embedded].sort()).toEqual([
      ...['Flatline', 'embedded-Postgres', 'embedded-Postgres-sessions', 'machine', 'receiver', 'way-in'],
    ]);
  });
});
