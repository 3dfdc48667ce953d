interface Moment {
  acknowledged: number;
  failed: number;
}
const { outageOf, wellAgainAfter } = jest.requireActual<{
  outageOf(timeline: Moment[], killedAfterMs: number): { pauseMs: number; failed: number; lastFailureMs: number };
  wellAgainAfter(samples: { at: number; isWell: boolean }[], killedAt: number): number | null;
}>('./outage.cjs');

const moments = (...acknowledged: number[]): Moment[] =>
  acknowledged.map((count) => ({ acknowledged: count, failed: 0 }));

describe('an outage', () => {
  it('lasts as long as nothing was acknowledged at a stretch after the kill', () => {
    const timeline = moments(0, 0, 0, 0, 5, 5, 0, 0, 5, 0, 5);
    expect(outageOf(timeline, 500)).toEqual({ pauseMs: 200, failed: 0, lastFailureMs: 0 });
  });

  it('is none when each moment had an acknowledgement', () => {
    expect(outageOf(moments(5, 5, 5), 0)).toEqual({ pauseMs: 0, failed: 0, lastFailureMs: 0 });
  });

  it('counts failures after the kill, and when the last one came', () => {
    const timeline = moments(5, 5, 5, 5, 5);
    timeline[0]!.failed = 7;
    timeline[2]!.failed = 2;
    timeline[3]!.failed = 1;
    expect(outageOf(timeline, 150)).toEqual({ pauseMs: 0, failed: 3, lastFailureMs: 250 });
  });
});

describe('being well again', () => {
  const samples = (...wells: boolean[]): { at: number; isWell: boolean }[] =>
    wells.map((isWell, index) => ({ at: 1_000 + index * 100, isWell }));

  it('counts from the kill to the first good sample that no bad one follows', () => {
    expect(wellAgainAfter(samples(true, false, true, false, true, true), 1_050)).toBe(350);
  });

  it('is at once when nothing was seen to be wrong', () => {
    expect(wellAgainAfter(samples(false, true, true), 1_050)).toBe(0);
  });

  it('has not come when the last sample was bad', () => {
    expect(wellAgainAfter(samples(true, true, false), 1_000)).toBeNull();
  });
});
