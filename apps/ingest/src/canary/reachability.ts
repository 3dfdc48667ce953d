import type { Clock } from '@flatline/service-kernel';

/** An instant by both clocks. */
export interface Moment {
  /** Epoch ms. */
  readonly at: number;
  readonly monotonic: number;
}

/**
 * What is known of the way from the jobs to this ingest.
 *
 * - `unchecked`: nobody looks, or what was seen is not believed; pulses claim as if jobs could reach us
 * - `proven`: it was open up to `upTo`, without a gap since `since` (null: since this ingest accepts)
 * - `lost`: jobs cannot reach us
 */
export type Reach =
  | { readonly kind: 'unchecked' }
  | { readonly kind: 'proven'; readonly upTo: number; readonly since: number | null }
  | { readonly kind: 'lost' };

export const UNCHECKED: Reach = { kind: 'unchecked' };

/** Longer than a front is away. What has failed for so long is the check itself, and must not keep alarms back for ever. */
const BELIEVED_FOR_MS = 3_600_000;
/**
 * A check that takes longer was held up on the way, and so were the pings of jobs: a front that stood still for a moment.
 * Far above what a call takes on a busy machine, or alarms would wait for no reason. Together with the time between two
 * checks it is less than the one second that is the least that jobs have to spare.
 */
const HELD_UP_MS = 700;

/**
 * What an ingest may claim about its reachability, from calls to itself through the public address.
 *
 * Up to the sending of the last call that got through, jobs could reach us; of the time since, nothing is claimed. When
 * calls fail for half a lease, the way is lost: pulses go on, and say that no job can come. So a front that is away or
 * frozen for a moment is an absence from its first instant to its last, and one that stays away stops no judgement.
 *
 * A check that was never answered is not believed: that is a wrong setting, and would silence every alarm.
 */
export class Reachability {
  private started: Moment;
  /** When the way was last seen to be open; null: never. */
  private proven: Moment | null = null;
  /** When the last call that got through was sent, monotonic; null: none ever did, so failing says nothing. */
  private answeredAt: number | null = null;
  private since: number | null = null;
  private isFailing = false;
  /** Since when a check is under way that no ping has overtaken, monotonic; null: there is none. */
  private checkingSince: number | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly leaseMs: number,
  ) {
    this.started = this.moment();
  }

  /** Calls begin now. */
  begin(): void {
    this.started = this.moment();
  }

  moment(): Moment {
    return { at: this.clock.now(), monotonic: this.clock.monotonic() };
  }

  /** A check begins: one call, and another if the first fails. */
  noteChecking(): void {
    this.checkingSince = this.clock.monotonic();
  }

  /** The call of the check that was sent at this moment got through. */
  noteReached(sent: Moment): void {
    const from = this.isHeldUp ? this.moment() : sent;
    if (this.isFailing || this.isHeldUp || this.answeredAt === null) this.since = from.at;
    this.isFailing = false;
    this.checkingSince = null;
    if (this.proven === null || from.monotonic > this.proven.monotonic) this.proven = from;
    this.answeredAt = sent.monotonic;
  }

  /**
   * A ping has come: the way is open, whatever the calls say. Asked with every ping, before it is dated.
   * @returns whether that is news, which its readers must have heard of before they judge the ping
   */
  noteCame(): boolean {
    const isOpen = !this.isFailing && !this.isHeldUp;
    if (isOpen || this.answeredAt === null || this.look().kind === 'unchecked') return false;
    this.proven = this.moment();
    this.since = this.proven.at;
    this.isFailing = false;
    if (this.checkingSince !== null) this.checkingSince = this.proven.monotonic;
    return true;
  }

  /** Neither call of the check got through. */
  noteMissed(): void {
    this.isFailing = true;
    this.checkingSince = null;
  }

  private get isHeldUp(): boolean {
    return this.checkingSince !== null && this.clock.monotonic() - this.checkingSince > HELD_UP_MS;
  }

  look(): Reach {
    const last = this.proven ?? this.started;
    const now = this.clock.monotonic();
    const isQuiet = now - last.monotonic > this.leaseMs / 2;
    const held: Reach = { kind: 'proven', upTo: last.at, since: this.since };
    if (this.answeredAt === null) return isQuiet ? UNCHECKED : held;
    if (!this.isFailing) return held;
    if (now - this.answeredAt > BELIEVED_FOR_MS) return UNCHECKED;
    return isQuiet ? { kind: 'lost' } : held;
  }
}
