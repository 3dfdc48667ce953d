import type { Reach } from './canary/reachability';
import type { IngestClock } from './ingest-clock';

/** What a pulse says about one partition. */
export interface Claim {
  readonly acceptingSince: number;
  readonly lowWatermark: number;
  readonly acknowledged: number;
  /** This ingest takes nothing, and nobody is to wait for it. */
  readonly retiring: boolean;
}

/** When a ping was read, and when it can have come. */
export interface Dating {
  readonly receivedAt: number;
  /** Present when it may have been lying unread: it came after this instant. */
  readonly arrivedAfter?: number;
}

/** A pulse that is durable. */
export interface StoredPulse {
  /** When it was handed to the log, monotonic. */
  readonly sentAt: number;
  /** When the log took it, by the log's clock; null when the log did not say. */
  readonly appendedAt: number | null;
}

export interface StandingParts {
  readonly clock: IngestClock;
  /** Monotonic, ms. */
  readonly monotonic: () => number;
  readonly leaseMs: number;
  /** Our clock is certainly further from that of the log than it may be. */
  readonly clockIsWrong: () => boolean;
  /** Whether jobs can reach this ingest, as far as it looks. */
  readonly reach: () => Reach;
}

/**
 * When the log has acknowledged no pulse for so long, another ingest may have given a ping up, which is told to its job
 * after 4.5 s: no ingest may vouch for that time, had it had nothing to give up itself. Shorter than an append that hangs.
 */
const LOG_AWAY_AFTER_MS = 2_000;

/**
 * When this ingest may accept pings for a partition, how it dates them, and what its pulses there may claim. These rules
 * live here and nowhere else:
 *
 * - *Fencing*: an ingest whose last acknowledged pulse was sent more than half a lease ago accepts and appends nothing
 *   until a pulse gets through; the others may have dropped it and be judging without it. An append ends within 4 s,
 *   so whatever it began before is decided while its lease still runs. A wall clock that was set fences it, too, until a
 *   pulse by the new clock is acknowledged; one that is wrong, for as long as it is: then its pulses retire it and claim
 *   nothing new.
 * - *Accepting spell*: it begins anew whenever a valid ping was turned away or could have been, so that the time in
 *   which jobs could not reach us is known as an absence; also when calls through the public address did not get through,
 *   and when the log took nothing for a while ({@link LOG_AWAY_AFTER_MS}). It never begins before the pulse that lets
 *   pings in is acknowledged: another ingest may turn a job away meanwhile, and this one would have, too.
 * - *Low watermark*: no pulse claims a ping whose fate is open, one that may still lie unread, or, where calls through the
 *   public address look for that, a time in which jobs may have been unable to reach us. One of unknown fate is
 *   settled by the next append to the partition that succeeds.
 * - *Dates*: no ping is dated before what a pulse has claimed, or before an earlier ping. When the clock was set back,
 *   dates stand for as long as the log's clock is ahead of ours; when the log's clock was set back as well, its readers
 *   take back what was claimed (`cutTo` in libs/domain/src/watermark.ts), and dates follow.
 */
export class PartitionStanding {
  private acceptingSince: number;
  private acknowledgedSentAt: number | null = null;
  private unresolvedSince: number | null = null;
  private sequence = 0;
  private acknowledged = 0;
  /** The latest instant that was given to a ping or a pulse. */
  private datedAt = 0;
  private claimedAt = 0;
  /** When the clock was set, monotonic; null once a pulse sent since is acknowledged. */
  private steppedAt: number | null = null;
  /** No accepting spell begins before this instant: what the clock skipped is to be seen. */
  private blindUntil = 0;
  /** The latest claim retired this ingest: its acknowledgement lets nobody in. */
  private isRetired = false;

  constructor(private readonly parts: StandingParts) {
    this.acceptingSince = parts.clock.now();
  }

  /** Whether pings may be accepted and appended now. False until the first pulse is acknowledged. */
  get mayAccept(): boolean {
    const { monotonic, leaseMs, clockIsWrong } = this.parts;
    const sentAt = this.acknowledgedSentAt;
    return sentAt !== null && monotonic() - sentAt <= leaseMs / 2 && !clockIsWrong();
  }

  private get logWasAway(): boolean {
    const { monotonic } = this.parts;
    return this.acknowledgedSentAt !== null && monotonic() - this.acknowledgedSentAt > LOG_AWAY_AFTER_MS;
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

  /** Dates a ping that is read now. */
  date(): Dating {
    const receivedAt = this.instant();
    const unreadSince = this.parts.clock.arrivedAfter();
    const arrivedAfter = Math.max(unreadSince ?? receivedAt, this.claimedAt);
    return arrivedAfter < receivedAt ? { receivedAt, arrivedAfter } : { receivedAt };
  }

  /** Now, never earlier than anything this partition was told. */
  instant(): number {
    this.datedAt = Math.max(this.parts.clock.now(), this.datedAt);
    return this.datedAt;
  }

  /** A valid ping was, or might have been, turned away. */
  noteTurnedAway(): void {
    // After what was claimed, even if the clock was set back: the time between is to be seen.
    this.acceptingSince = Math.max(this.parts.clock.now(), this.claimedAt + 1, this.blindUntil);
  }

  /**
   * The wall clock was set. Forward, so much less time has passed since each last ping than will seem to have: that makes
   * an absence of a lease at the least, because from there on no period that it touches counts as silence. A part of it
   * taken back soon after does not make it shorter; once the clock is further back, there is no such time.
   *
   * @param byMs negative: back
   */
  noteStep(byMs: number): void {
    const { clock, leaseMs, monotonic } = this.parts;
    this.steppedAt = monotonic();
    if (byMs > 0) this.blindUntil = this.claimedAt + leaseMs;
    else if (this.blindUntil > clock.now() + leaseMs) this.blindUntil = 0;
    this.acknowledgedSentAt = null;
    this.noteTurnedAway();
  }

  /**
   * @param oldestOpenAt the earliest instant that a ping which is not settled can have come at; null when there is none
   * @param retiring nothing follows
   */
  claim(oldestOpenAt: number | null, retiring: boolean): Claim {
    const now = this.instant();
    const isWrong = this.parts.clockIsWrong();
    if (isWrong) this.acknowledgedSentAt = null;
    if (!this.mayAccept || this.logWasAway) this.noteTurnedAway();
    // Nobody is let in before this pulse is acknowledged; the next one says since when.
    if (!this.mayAccept) this.acceptingSince = Math.max(this.acceptingSince, now + 1);
    this.isRetired = retiring || (isWrong && !this.isUnresolved);
    const known = Math.min(this.parts.clock.arrivedAfter() ?? now, this.reachedUpTo(now));
    const upTo = isWrong ? this.claimedAt || now : known;
    const lowWatermark = Math.min(upTo, oldestOpenAt ?? upTo, this.unresolvedSince ?? upTo);
    this.claimedAt = Math.max(this.claimedAt, lowWatermark);
    const { acceptingSince, acknowledged, isRetired } = this;
    return { acceptingSince, lowWatermark, acknowledged, retiring: isRetired };
  }

  /** Notes where the way from the jobs to us was cut. @returns up to when it was open */
  private reachedUpTo(now: number): number {
    const reach = this.parts.reach();
    if (reach.kind === 'lost') this.noteTurnedAway();
    if (reach.kind !== 'proven') return now;
    // Later than now: dated by a clock that was ahead and is right again.
    const since = reach.since ?? 0;
    if (since <= now) this.acceptingSince = Math.max(this.acceptingSince, since);
    return reach.upTo;
  }

  noteStored(pings: number, pulse: StoredPulse | null): void {
    this.acknowledged += pings;
    this.unresolvedSince = null;
    if (pulse === null || this.isRetired) return;
    const wasSet = this.steppedAt !== null;
    if (wasSet && pulse.sentAt < this.steppedAt!) return; // by the clock as it was
    this.steppedAt = null;
    // Readers know nothing beyond the append time, so what was claimed beyond it does not stand: dates may follow.
    this.datedAt = Math.min(this.datedAt, pulse.appendedAt ?? this.datedAt);
    this.claimedAt = Math.min(this.claimedAt, this.datedAt);
    if (!this.mayAccept || this.acceptingSince > this.parts.clock.now()) this.noteTurnedAway();
    this.acknowledgedSentAt = pulse.sentAt;
  }

  /** An append may have been stored or not. @param oldestAt the earliest instant that one of its pings can have come at */
  noteUnresolved(oldestAt: number): void {
    this.unresolvedSince = Math.min(oldestAt, this.unresolvedSince ?? oldestAt);
  }
}
