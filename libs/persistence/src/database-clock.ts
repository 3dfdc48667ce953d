import type { Clock } from '@flatline/service-kernel';

/** Injection token of the {@link DatabaseClock}. */
export const DATABASE_CLOCK = Symbol('DATABASE_CLOCK');

const LOOK_EVERY_MS = 10_000;
/** A look that took longer says too little of when it was; it counts only as long as there is no better one. */
const PRECISE_MS = 500;

export interface DatabaseClockOptions {
  /** Asks the database for its time, epoch ms. */
  readonly ask: () => Promise<number>;
  /** Of this process. */
  readonly clock: Clock;
  /** A look failed; the last one counts on. */
  readonly onError: (error: unknown) => void;
}

/**
 * The wall clock of the database, for instants that are written into rows and that another process goes by: when a
 * notification is due, until when it is claimed, when a heartbeat was paused. So a process whose own wall clock is wrong,
 * or is set while it runs, puts nothing off until tomorrow and gives up nothing as a day old.
 *
 * It asks every 10 s and goes on by the monotonic clock in between, which no setting of a clock moves. Until the first
 * answer it is the clock of the process.
 */
export class DatabaseClock implements Clock {
  /** Of the database, against our monotonic clock; null before the first answer. */
  private offsetMs: number | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: DatabaseClockOptions) {}

  /** Resolves after the first answer. Rejects when there is none. */
  async start(): Promise<void> {
    await this.look();
    this.timer = setInterval(() => void this.look().catch(this.options.onError), LOOK_EVERY_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  now(): number {
    const { clock } = this.options;
    return this.offsetMs === null ? clock.now() : Math.round(clock.monotonic() + this.offsetMs);
  }

  monotonic(): number {
    return this.options.clock.monotonic();
  }

  /** Asks once. */
  async look(): Promise<void> {
    const { ask, clock } = this.options;
    const askedMs = clock.monotonic();
    const databaseNow = await ask();
    const answeredMs = clock.monotonic();
    if (this.offsetMs !== null && answeredMs - askedMs > PRECISE_MS) return;
    this.offsetMs = databaseNow - (askedMs + answeredMs) / 2;
  }
}
