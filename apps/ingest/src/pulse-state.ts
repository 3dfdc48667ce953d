import type { Clock } from '@flatline/service-kernel';

/**
 * When this ingest may accept pings, and what its pulses may claim. Two rules live here and nowhere else:
 *
 * - *Fencing*: an ingest whose last acknowledged pulse was sent more than half a lease ago accepts nothing until a
 *   pulse gets through; the others may have dropped it and be judging without it.
 * - *Accepting spell*: it begins anew whenever a valid ping was turned away or could have been, so that the time in
 *   which jobs could not reach us is known as an absence.
 */
export class PulseState {
  private acceptingSince: number;
  private lastAcknowledgedSentAt: number | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly leaseMs: number,
  ) {
    this.acceptingSince = clock.now();
  }

  /** Whether pings may be accepted now. False until the first pulse is acknowledged. */
  get mayAccept(): boolean {
    const sentAt = this.lastAcknowledgedSentAt;
    return sentAt !== null && this.clock.monotonic() - sentAt <= this.leaseMs / 2;
  }

  /** A valid ping was, or might have been, turned away. */
  noteTurnedAway(): void {
    this.acceptingSince = this.clock.now();
  }

  /** The `acceptingSince` of a pulse that is sent now. */
  spellForPulse(): number {
    if (this.lastAcknowledgedSentAt !== null && !this.mayAccept) this.noteTurnedAway();
    return this.acceptingSince;
  }

  /** @param sentAt monotonic time at which the pulse was handed to the log */
  noteAcknowledged(sentAt: number): void {
    this.lastAcknowledgedSentAt = sentAt;
  }
}
