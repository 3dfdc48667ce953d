import { delivered, permanent, retryable } from '@flatline/channels';
import * as fc from 'fast-check';
import { AGE_LIMIT_MS, nextStep } from './next-step';

const createdAt = Date.UTC(2026, 0, 1);
const fresh = { attempts: 1, createdAt };

describe('after an attempt', () => {
  it('that was delivered nothing follows', () => {
    expect(nextStep(delivered('ok'), fresh, createdAt, 0)).toEqual({ status: 'delivered' });
  });

  it('that was refused for good nothing follows', () => {
    expect(nextStep(permanent('no'), fresh, createdAt, 0)).toEqual({ status: 'dead', reason: 'refused' });
  });

  it('that failed by the settings of the channel nothing follows until somebody mends them', () => {
    expect(nextStep(permanent('no', 'settings'), fresh, createdAt, 0)).toEqual({
      status: 'dead',
      reason: 'unusable_settings',
    });
  });

  it.each([
    [1, 2_000],
    [2, 4_000],
    [3, 8_000],
    [8, 256_000],
    [9, 512_000],
    [10, 600_000],
    [1_000, 600_000],
  ])('number %d that failed the next one waits for at most %d ms', (attempts, waitMs) => {
    const at = (random: number) => nextStep(retryable('busy'), { attempts, createdAt }, createdAt, random);
    expect(at(0)).toEqual({ status: 'pending', nextAttemptAt: createdAt + waitMs });
    expect(at(0.999_999)).toEqual({ status: 'pending', nextAttemptAt: createdAt + waitMs / 2 });
  });

  it('the next one never comes before the receiver asked for', () => {
    expect(nextStep(retryable('busy', 90_000), fresh, createdAt, 0.5)).toEqual({
      status: 'pending',
      nextAttemptAt: createdAt + 90_000,
    });
    expect(nextStep(retryable('busy', 1), fresh, createdAt, 0)).toEqual({
      status: 'pending',
      nextAttemptAt: createdAt + 2_000,
    });
  });

  it('that failed at the age limit nobody tries again', () => {
    const old = { attempts: 100, createdAt };
    expect(nextStep(retryable('busy'), old, createdAt + AGE_LIMIT_MS, 0)).toEqual({
      status: 'dead',
      reason: 'expired',
    });
  });

  it('a pending notification is always due later than now and within its age limit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 0, max: 2 * AGE_LIMIT_MS }),
        fc.option(fc.integer({ min: 0, max: 3_600_000 }), { nil: undefined }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempts, ageMs, retryAfterMs, random) => {
          const now = createdAt + ageMs;
          const step = nextStep(retryable('busy', retryAfterMs), { attempts, createdAt }, now, random);
          if (step.status !== 'pending') return step.status === 'dead';
          return step.nextAttemptAt >= now + 1_000 && step.nextAttemptAt <= createdAt + AGE_LIMIT_MS;
        },
      ),
    );
  });
});
