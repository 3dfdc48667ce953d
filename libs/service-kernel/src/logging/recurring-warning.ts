import type { Clock } from '../clock';
import type { Logger } from './create-logger';

const EVERY_MS = 30_000;

/**
 * A warning that would be repeated for as long as something is away: the first is logged at once, then one every 30 s
 * that says how many there were since.
 */
export class RecurringWarning {
  private quietUntil = -Infinity;
  private keptBack = 0;

  constructor(
    private readonly logger: Logger,
    private readonly clock: Clock,
    private readonly message: string,
  ) {}

  note(error: unknown): void {
    const now = this.clock.monotonic();
    if (now < this.quietUntil) {
      this.keptBack += 1;
      return;
    }
    this.logger.warn({ err: error, ...(this.keptBack > 0 && { sinceLastLine: this.keptBack }) }, this.message);
    this.quietUntil = now + EVERY_MS;
    this.keptBack = 0;
  }
}
