import { setTimeout as sleep } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Give up after this long, in ms; generous, because machines are noisy. Default 10 000. */
  withinMs?: number;
  /** Pause between attempts, in ms. Default 25. */
  everyMs?: number;
}

/**
 * Repeats an assertion until it passes and returns what it returned. Use it instead of a sleep.
 *
 * An attempt counts as passed when it returns (or resolves) without throwing. When time is up the last attempt's own
 * error is thrown, with a line saying how long was waited, so that the report shows the difference and not a time-out.
 */
export async function eventually<T>(assertion: () => T | Promise<T>, options: EventuallyOptions = {}): Promise<T> {
  const { withinMs = 10_000, everyMs = 25 } = options;
  const startedAt = performance.now();
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      const waitedMs = performance.now() - startedAt;
      if (waitedMs >= withinMs) throw describeWait(error, waitedMs);
    }
    await sleep(everyMs);
  }
}

function describeWait(error: unknown, waitedMs: number): unknown {
  if (!(error instanceof Error)) return new Error(`not so within ${Math.round(waitedMs)} ms`, { cause: error });
  error.message = `not so within ${Math.round(waitedMs)} ms: ${error.message}`;
  return error;
}
