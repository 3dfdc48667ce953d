/** Injection token of the {@link Clock}. */
export const CLOCK = Symbol('CLOCK');

/** Where the time comes from. Everything that asks for the time asks this, so that tests can set it. */
export interface Clock {
  /** Milliseconds since the Unix epoch, UTC. May step when the machine's clock is set. */
  now(): number;
  /** Milliseconds since an arbitrary start. Never steps, never goes back; only differences mean anything. */
  monotonic(): number;
}

/** The machine's own clocks. */
export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }
}
