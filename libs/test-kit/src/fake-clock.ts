import type { Clock } from '@flatline/service-kernel';

/** A clock that moves only when told to: `now()` in epoch ms, `monotonic()` in ms from 0. */
export class FakeClock implements Clock {
  private wallMs: number;
  private monotonicMs = 0;

  /** @param start epoch ms or an ISO instant; default 2026-01-01T00:00:00Z */
  constructor(start: number | string = '2026-01-01T00:00:00.000Z') {
    this.wallMs = typeof start === 'number' ? start : Date.parse(start);
    if (!Number.isFinite(this.wallMs)) throw new RangeError(`not an instant: ${start}`);
  }

  now(): number {
    return this.wallMs;
  }

  monotonic(): number {
    return this.monotonicMs;
  }

  /** Time passes: both clocks move. `ms` must not be negative; use `step` for that. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`time does not run backwards: ${ms}`);
    this.wallMs += ms;
    this.monotonicMs += ms;
  }

  /** Someone sets the wall clock, forwards or backwards; the monotonic clock does not move. */
  step(ms: number): void {
    this.wallMs += ms;
  }
}
