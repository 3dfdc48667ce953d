import type { TimersClock, TimersLogger } from './wake-queue';

const QUIET_MS = 10_000;

/**
 * Logs the first of a run of like errors at once and the rest as a number: a store that is away for an hour makes a line
 * every ten seconds, not thousands.
 */
export class ErrorGate {
  private readonly runs = new Map<string, { quietUntilMs: number; kept: number }>();

  constructor(
    private readonly logger: TimersLogger,
    private readonly clock: TimersClock,
  ) {}

  /** @param event one of a few fixed sentences; it is the key of the run */
  report(event: string, error: unknown, fields: object = {}): void {
    const nowMs = this.clock.monotonic();
    const run = this.runs.get(event);
    if (run && nowMs < run.quietUntilMs) {
      run.kept += 1;
      return;
    }
    this.runs.set(event, { quietUntilMs: nowMs + QUIET_MS, kept: 0 });
    this.logger.warn({ ...fields, err: error, ...(run?.kept ? { likeItSinceLastLine: run.kept } : {}) }, event);
  }
}
