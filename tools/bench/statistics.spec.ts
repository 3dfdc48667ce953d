import fc from 'fast-check';

interface Summary {
  count: number;
  min: number;
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

const { compareWithHistory, median, Samples, spread, summarize } = jest.requireActual<{
  compareWithHistory(
    acknowledged: Iterable<string>,
    history: readonly string[],
  ): { lost: number; doubled: number; unexplained: number };
  median(samples: readonly number[]): number;
  spread(samples: readonly number[]): number;
  summarize(samples: ArrayLike<number>): Summary;
  Samples: new () => { add(value: number): void; readonly length: number; summary(): Summary };
}>('./statistics.cjs');

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('a summary', () => {
  it('takes percentiles by nearest rank', () => {
    expect(summarize(upTo(1000))).toEqual({
      count: 1000,
      min: 1,
      mean: 500.5,
      p50: 500,
      p90: 900,
      p99: 990,
      max: 1000,
    });
  });

  it('is that sample when there is only one', () => {
    expect(summarize([7])).toEqual({ count: 1, min: 7, mean: 7, p50: 7, p90: 7, p99: 7, max: 7 });
  });

  it('lets one slow request in a hundred and one show in p99, but not one in a hundred', () => {
    expect(summarize([...new Array<number>(99).fill(1), 500]).p99).toBe(1);
    expect(summarize([...new Array<number>(98).fill(1), 500, 500]).p99).toBe(500);
  });

  it('sorts by number, not by text, and leaves the samples as they are', () => {
    const samples = [10, 9, 100, 2];
    expect(summarize(samples)).toMatchObject({ min: 2, p50: 9, max: 100 });
    expect(samples).toEqual([10, 9, 100, 2]);
  });

  it('of nothing is not a number', () => {
    expect(summarize([])).toMatchObject({ count: 0, p50: NaN, mean: NaN, max: NaN });
  });

  it('orders its percentiles and names measured values only', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: 0, max: 1e9 }), { minLength: 1 }), (samples) => {
        const { min, p50, p90, p99, max } = summarize(samples);
        expect([min, p50, p90, p99, max]).toEqual([min, p50, p90, p99, max].sort((a, b) => a - b));
        expect(samples).toEqual(expect.arrayContaining([min, p50, p90, p99, max]));
        expect(samples.filter((sample) => sample <= p99).length).toBeGreaterThanOrEqual(samples.length * 0.99);
      }),
    );
  });
});

describe('growing samples', () => {
  it('keep all that was added', () => {
    const samples = new Samples();
    for (const value of upTo(5000)) samples.add(value);
    expect(samples.length).toBe(5000);
    expect(samples.summary()).toEqual(summarize(upTo(5000)));
  });
});

describe('repeated measurements', () => {
  it('have a median that one outlier does not move', () => {
    expect(median([100, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBe(NaN);
  });

  it('spread by the distance of the extremes, as a share of the median', () => {
    expect(spread([90, 100, 120])).toBeCloseTo(0.3);
    expect(spread([100])).toBe(0);
  });
});

describe('the comparison with the history', () => {
  it('finds nothing wrong when each acknowledged ping is there once', () => {
    expect(compareWithHistory(['a', 'b'], ['b', 'a'])).toEqual({ lost: 0, doubled: 0, unexplained: 0 });
  });

  it('counts what was lost, what is there twice and what was never acknowledged', () => {
    expect(compareWithHistory(['a', 'b', 'c'], ['a', 'a', 'a', 'c', 'x'])).toEqual({
      lost: 1,
      doubled: 2,
      unexplained: 1,
    });
  });
});
