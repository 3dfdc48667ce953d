import type { Clock } from '@flatline/service-kernel';

/** How often the event loop shows that it is alive. */
const TICK_MS = 100;
/** A tick that comes this much late means a stall: calls may have lain in the sockets meanwhile. */
const STALL_MS = 250;
/** So many connections wait in the socket at most: what Node asks for when it listens, and the one that the kernel adds. */
const BACKLOG = 512;
/**
 * After a stall, so many turns of the event loop until everything that had come is read: each takes one connection in
 * (libuv does not take more since 1.45), one more reads the last request, and a body may take another; the rest is margin.
 * A turn takes as long as it has work: some milliseconds for all of them when there is none.
 */
const TURNS_TO_CATCH_UP = BACKLOG + 5;
/** The wall clock was set when it moved this much more, or less, than the monotonic one. */
const STEP_MS = 500;
/** Both clocks are read again when there was so much time between them that it could look like a step. */
const BETWEEN_READS_MS = 50;

export interface IngestClockEvents {
  /** The wall clock was set: it shows so much more than time has passed, ms; negative: less. */
  readonly stepped: (byMs: number) => void;
  /** The event loop came back this much late, ms. */
  readonly stalled: (lateMs: number) => void;
}

/**
 * The time as the ingest needs it: it notices when the wall clock was set, and it knows since when calls may have been
 * lying unread because the event loop stood still (a long computation, a SIGSTOP, a machine without processor time).
 */
export class IngestClock {
  /** Wall minus monotonic time at the last look; what makes a step visible. */
  private offset: number;
  private tickedAt: number;
  /** Whatever came before this instant has been read. Monotonic, so that it means the same after a step. */
  private readUpTo: number;
  /** The catching-up that is under way after a stall; each stall begins one of its own. */
  private catchingUp: object | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly events: IngestClockEvents,
  ) {
    const { wall, monotonic } = this.read();
    this.offset = wall - monotonic;
    this.readUpTo = this.tickedAt = monotonic;
  }

  start(): void {
    this.readUpTo = this.tickedAt = this.clock.monotonic();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Epoch ms. A step is told before this returns, so whoever dates something by it has heard of the step. */
  now(): number {
    return this.look().wall;
  }

  /**
   * What is being read now came after this instant, epoch ms; null while nothing is overdue and what is read has just
   * come. While it is not null, no pulse may claim to know more.
   */
  arrivedAfter(): number | null {
    this.look();
    return this.catchingUp ? Math.floor(this.readUpTo + this.offset) : null;
  }

  private tick(): void {
    const { monotonic, lateMs } = this.look();
    this.tickedAt = monotonic;
    if (lateMs > STALL_MS) this.events.stalled(lateMs);
    const { catchingUp } = this;
    afterTurns(catchingUp ? TURNS_TO_CATCH_UP : 1, () => {
      if (this.catchingUp !== catchingUp) return; // another stall since: its own tick goes on
      this.catchingUp = null;
      this.readUpTo = monotonic;
    });
  }

  /** Reads both clocks and draws the conclusions. */
  private look(): { wall: number; monotonic: number; lateMs: number } {
    const { wall, monotonic } = this.read();
    const byMs = wall - monotonic - this.offset;
    this.offset = wall - monotonic;
    if (Math.abs(byMs) > STEP_MS) this.events.stepped(byMs);
    const lateMs = this.timer ? monotonic - this.tickedAt - TICK_MS : 0;
    if (lateMs > STALL_MS) this.catchingUp = {};
    return { wall, monotonic, lateMs };
  }

  /** Both clocks at the same instant: a process can be held up between any two instructions. */
  private read(): { wall: number; monotonic: number } {
    for (;;) {
      const before = this.clock.monotonic();
      const wall = this.clock.now();
      const monotonic = this.clock.monotonic();
      if (monotonic - before <= BETWEEN_READS_MS) return { wall, monotonic };
    }
  }
}

/** Once so many turns of the event loop have read what was in the sockets. */
function afterTurns(turns: number, then: () => void): void {
  setImmediate(() => (turns > 1 ? afterTurns(turns - 1, then) : then()));
}
