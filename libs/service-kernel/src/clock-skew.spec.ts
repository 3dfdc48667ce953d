import { ClockSkew } from './clock-skew';

const T0 = 1_760_000_000_000;

describe('the skew between a process and the event log', () => {
  it('is too far only when it certainly is: a slow answer of the log proves nothing', () => {
    const skew = new ClockSkew(1_000);
    expect(skew.isTooFar).toBe(false);
    skew.note({ before: T0, after: T0 + 4_000, logAt: T0 });
    expect(skew.isTooFar).toBe(false);
    skew.note({ before: T0 + 1_001, after: T0 + 1_001, logAt: T0 });
    expect(skew).toMatchObject({ isTooFar: true, aheadMs: 1_001 });
    skew.note({ before: T0 - 1_500, after: T0 - 1_001, logAt: T0 });
    expect(skew).toMatchObject({ isTooFar: true, aheadMs: -1_001 });
    skew.note({ before: T0 - 1_000, after: T0 - 1_000, logAt: T0 });
    expect(skew).toMatchObject({ isTooFar: false, aheadMs: -1_000 });
  });

  it('is said with its size, its direction, the limit and what to do', () => {
    const skew = new ClockSkew(500);
    expect(skew.sentence()).toBeNull();
    skew.note({ before: T0 + 7_240, after: T0 + 7_300, logAt: T0 });
    expect(skew.sentence()).toBe(
      'the clock of this process is 7.2 s ahead of that of the event log, more than MAX_CLOCK_SKEW_MS (500); ' +
        'set the one that is wrong',
    );
  });
});
