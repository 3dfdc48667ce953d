import type { Logger } from './logging/create-logger';

/** When something was appended to the event log: by our clock just before and just after, and by the log's own between. */
export interface LogClockReading {
  readonly before: number;
  readonly after: number;
  readonly logAt: number;
}

/**
 * How far the clock of this process is from that of the event log. All processes share the log, so whoever agrees with
 * its clock agrees with the others. Instants in epoch ms.
 */
export class ClockSkew {
  /** The latest reading: our clock is ahead of the log's by at least `least` and at most `most`. */
  private least = 0;
  private most = 0;

  /** @param maxMs MAX_CLOCK_SKEW_MS */
  constructor(private readonly maxMs: number) {}

  note({ before, after, logAt }: LogClockReading): void {
    this.least = before - logAt;
    this.most = after - logAt;
  }

  /**
   * Notes a reading, and logs when the clocks begin to be too far apart, and when they are near again.
   *
   * @param consequence what this process does not do while they are
   */
  noteAloud(reading: LogClockReading, logger: Pick<Logger, 'error' | 'info'>, consequence: string): void {
    const wasTooFar = this.isTooFar;
    this.note(reading);
    if (this.isTooFar && !wasTooFar) logger.error({ aheadMs: this.aheadMs }, `${consequence}: ${this.sentence()}`);
    if (wasTooFar && !this.isTooFar) logger.info({}, 'the clock is near enough to that of the event log again');
  }

  /** Whether the clocks are certainly further apart than they may be. A slow answer of the log proves nothing. */
  get isTooFar(): boolean {
    return this.least > this.maxMs || this.most < -this.maxMs;
  }

  /** The least the clocks can be apart, ms: positive when ours is ahead, negative when it is behind. */
  get aheadMs(): number {
    if (this.least > 0) return this.least;
    return Math.min(this.most, 0);
  }

  /** For readiness: how far they are apart and what to do, or null while that is within the limit. */
  sentence(): string | null {
    if (!this.isTooFar) return null;
    const { aheadMs, maxMs } = this;
    const seconds = (Math.abs(aheadMs) / 1000).toFixed(1);
    const side = aheadMs > 0 ? 'ahead of' : 'behind';
    return (
      `the clock of this process is ${seconds} s ${side} that of the event log, more than MAX_CLOCK_SKEW_MS (${maxMs}); ` +
      'set the one that is wrong'
    );
  }
}
