import { kindOf, observedMs, overSince, withAbsences } from './absences';

const rules = { leaseMs: 10_000 };
const absence = (startedAt: number, endedAt: number) => ({ startedAt, endedAt });

describe('absences that became certain', () => {
  it('are one outage when they lie within a second of the last, which keeps its start', () => {
    const known = [absence(0, 1_000), absence(50_000, 52_000)];
    const all = withAbsences(known, [absence(53_000, 53_250), absence(53_250, 53_500), absence(54_501, 60_000)]);
    expect(all).toEqual([absence(0, 1_000), absence(50_000, 53_500), absence(54_501, 60_000)]);
    expect(all[0]).toBe(known[0]);
    expect(withAbsences(known, [])).toBe(known);
  });

  it('may overlap', () => {
    expect(withAbsences([], [absence(0, 5_000), absence(1_000, 2_000)])).toEqual([absence(0, 5_000)]);
  });
});

describe('an absence that is over', () => {
  const absences = [absence(0, 1_000), absence(10_000, 20_000), absence(30_000, 40_000)];

  it('is told once, when the watermark is so far behind it that it can grow no more', () => {
    expect(overSince(absences, 15_000, 20_000)).toEqual([]);
    expect(overSince(absences, 20_000, 21_000)).toEqual([]);
    expect(overSince(absences, 21_000, 21_001)).toEqual([absence(10_000, 20_000)]);
    expect(overSince(absences, 21_001, 25_000)).toEqual([]);
    expect(overSince(absences, 5_000, 50_000)).toEqual([absence(10_000, 20_000), absence(30_000, 40_000)]);
  });

  it('is told when there was no watermark before, and not while there is none', () => {
    expect(overSince(absences, null, 5_000)).toEqual([absence(0, 1_000)]);
    expect(overSince(absences, null, null)).toEqual([]);
  });
});

describe('the observed part of a time', () => {
  it('is what lies outside blackouts; short absences do not count', () => {
    const absences = [absence(0, 10_000), absence(20_000, 25_000), absence(40_000, 60_000)];
    expect(observedMs(5_000, 50_000, absences, rules)).toBe(45_000 - 5_000 - 10_000);
    expect(observedMs(50_000, 55_000, absences, rules)).toBe(0);
    expect(absences.map((each) => kindOf(each, rules))).toEqual(['blackout', 'short', 'blackout']);
  });
});
