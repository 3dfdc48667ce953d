import type { Clock } from '@flatline/service-kernel';

/** What a pulse says about one partition. */
export interface Claim {
  readonly acceptingSince: number;
  readonly lowWatermark: number;
  readonly acknowledged: number;
}

/**
 * When this ingest may accept pings for a partition, and what its pulses there may claim. Three rules live here and
 * nowhere else:
 *
 * - *Fencing*: an ingest whose last acknowledged pulse was sent more than half a lease ago accepts and appends nothing
 *   until a pulse gets through; the others may have dropped it and be judging without it. An append ends within 4 s,
 *   so whatever it began before is decided while its lease still runs.
 * - *Accepting spell*: it begins anew whenever a valid ping was turned away or could have been, so that the time in
 *   which jobs could not reach us is known as an absence.
 * - *Low watermark*: no pulse claims a ping whose fate is open. One of unknown fate is settled by the next append to the
 *   partition that succeeds.
 */
export class PartitionStanding {
  private acceptingSince: number;
  private acknowledgedSentAt: number | null = null;
  private unresolvedSince: number | null = null;
  private sequence = 0;
  private acknowledged = 0;

  constructor(
    private readonly clock: Clock,
    private readonly leaseMs: number,
  ) {
    this.acceptingSince = clock.now();
  }

  /** Whether pings may be accepted and appended now. False until the first pulse is acknowledged. */
  get mayAccept(): boolean {
    const sentAt = this.acknowledgedSentAt;
    return sentAt !== null && this.clock.monotonic() - sentAt <= this.leaseMs / 2;
  }

  /** Whether the log may still hold, or take, something it has not acknowledged. */
  get isUnresolved(): boolean {
    return this.unresolvedSince !== null;
  }

  /** The running number of the next ping, from 1. */
  nextSequence(): number {
    this.sequence += 1;
    return this.sequence;
  }

  /** A valid ping was, or might have been, turned away. */
  noteTurnedAway(): void {
    this.acceptingSince = this.clock.now();
  }

  /** @param oldestOpenAt the receive time of the oldest ping that is not settled; now when there is none */
  claim(oldestOpenAt: number): Claim {
    if (this.acknowledgedSentAt !== null && !this.mayAccept) this.noteTurnedAway();
    const { acceptingSince, acknowledged } = this;
    return { acceptingSince, acknowledged, lowWatermark: Math.min(oldestOpenAt, this.unresolvedSince ?? oldestOpenAt) };
  }

  /** @param pulseSentAt monotonic time at which a pulse was handed to the log with it, null when there was none */
  noteStored(pings: number, pulseSentAt: number | null): void {
    this.acknowledged += pings;
    this.unresolvedSince = null;
    this.acknowledgedSentAt = pulseSentAt ?? this.acknowledgedSentAt;
  }

  /** An append may have been stored or not. @param oldestAt the receive time of its oldest ping */
  noteUnresolved(oldestAt: number): void {
    this.unresolvedSince = Math.min(oldestAt, this.unresolvedSince ?? oldestAt);
  }
}
