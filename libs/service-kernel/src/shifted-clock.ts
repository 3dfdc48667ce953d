import { readFileSync } from 'node:fs';
import type { Clock } from './clock';

/** So soon, at the latest, a change of the file is seen, ms. */
const READ_EVERY_MS = 100;

/**
 * A clock that is wrong on purpose, for tests with faults: the wall clock of another one plus the milliseconds that stand
 * in a file, which may change at any time. The monotonic clock is the other one's, as it is when a machine's clock is set.
 *
 * No file, or none with a number in it, adds nothing: whoever makes the fault creates the file, and removes it to end it.
 * The libraries that we use (BullMQ, the ids of uuid) go on with the machine's clock.
 */
export class ShiftedClock implements Clock {
  private offsetMs = 0;
  private readAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly offsetFile: string,
    private readonly clock: Clock,
  ) {}

  now(): number {
    const at = this.clock.monotonic();
    if (at - this.readAt >= READ_EVERY_MS) {
      this.readAt = at;
      this.offsetMs = readOffset(this.offsetFile);
    }
    return this.clock.now() + this.offsetMs;
  }

  monotonic(): number {
    return this.clock.monotonic();
  }
}

/** Waits for the disk, some ten times a second at most: a few microseconds each, and only where faults are wanted. */
function readOffset(file: string): number {
  try {
    const offsetMs = Math.round(Number(readFileSync(file, 'utf8')));
    return Number.isFinite(offsetMs) ? offsetMs : 0;
  } catch {
    return 0; // not there: no fault yet, or none any more
  }
}
