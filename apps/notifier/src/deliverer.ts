import { setMaxListeners } from 'node:events';
import { type ChannelRegistry, notificationFacts, permanent, type SendOutcome } from '@flatline/channels';
import type { Clock, Logger, Tracing } from '@flatline/service-kernel';
import type { WakeQueue } from '@flatline/timers';
import type { DefaultChannels } from './default-channels';
import { DeliveryLanes, type LaneSpec, type QueuedDelivery } from './delivery-lanes';
import type { AttemptResult, Claim, ClaimedNotification, DeliveryStore, Story } from './delivery-store';
import { Gatherer } from './gatherer';
import { type NextStep, nextStep } from './next-step';
import { deliverySpan } from './notification-spans';
import type { NotifierMetrics } from './notifier-metrics';

export interface DelivererParts {
  readonly store: DeliveryStore;
  readonly channels: ChannelRegistry;
  readonly defaults: DefaultChannels;
  readonly queue: WakeQueue;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: NotifierMetrics;
  readonly tracing: Tracing;
  /** 0 up to 1; spreads retries. */
  readonly random: () => number;
  /** There was more due than fits into memory, and now there is room. */
  readonly roomAgain: () => void;
}

/** How the work on one delivery ended. */
interface DeliveryEnd {
  /** Whether the attempt reached the other side; null when there was none. */
  readonly lineWorks: boolean | null;
  /** The story of which this notification is done, so that the next may go; null while it is not. */
  readonly ended: Story | null;
}

const LANE_LIMITS = { total: 128, untried: 4, failing: 1, allFailing: 64, waiting: 10_000 };
/** Rows that share one statement. */
const STATEMENT_ROWS = 200;
/** How much longer than the longest attempt a claim holds, in ms: time for both statements around it. */
const CLAIM_MARGIN_MS = 5_000;
/** On stopping, how long attempts under way may go on, in ms, before they are interrupted. */
const STOP_PATIENCE_MS = 3_000;
const WRITE_RETRY_FIRST_MS = 100;
const WRITE_RETRY_LONGEST_MS = 2_000;

/**
 * Delivers notifications: claim the row, make one attempt, write down how it ended, wake the next of the same heartbeat
 * and channel. The row decides; everything held here may be lost at any moment.
 *
 * A process that dies after the receiver took a message and before the result was written down leaves a claim that
 * expires; the message is then sent once more, under the same idempotency key.
 */
export class Deliverer {
  private readonly lanes: DeliveryLanes;
  private readonly claims: Gatherer<string, Claim>;
  private readonly results: Gatherer<AttemptResult, boolean>;
  private readonly successors: Gatherer<Story, QueuedDelivery | null>;
  private readonly lookups: Gatherer<string, QueuedDelivery | null>;
  private readonly interruption = new AbortController();
  private stopping = false;
  private idle: (() => void) | null = null;

  constructor(private readonly parts: DelivererParts) {
    const { store, clock, channels } = parts;
    this.lanes = new DeliveryLanes(LANE_LIMITS, (delivery) => laneOf(channels, delivery));
    setMaxListeners(LANE_LIMITS.total * 2, this.interruption.signal); // every attempt under way listens
    const claimMs = channels.longestSendMs + CLAIM_MARGIN_MS;
    this.claims = new Gatherer((ids) => store.claim(ids, clock.now(), clock.now() + claimMs), STATEMENT_ROWS);
    this.results = new Gatherer(async (results) => {
      const written = await store.finish(results);
      return results.map(({ id }) => written.has(id));
    }, STATEMENT_ROWS);
    this.successors = new Gatherer((stories) => store.nextOf(stories), STATEMENT_ROWS);
    this.lookups = new Gatherer((ids) => store.channelOf(ids), STATEMENT_ROWS);
  }

  /** These are due, or may be: each is looked at as soon as its channel has room. Never waits, never throws. */
  offer(deliveries: readonly QueuedDelivery[]): void {
    for (const delivery of deliveries) this.lanes.offer(delivery);
    this.startWhatFits();
  }

  /** A timer went off. It may be early, late or for nothing. */
  async wake(id: string): Promise<void> {
    const delivery = await this.lookups.add(id);
    if (delivery) this.offer([delivery]);
  }

  /** Starts nothing more, lets attempts end for a moment, then interrupts them; their rows are due again at once. */
  async stop(): Promise<void> {
    this.stopping = true;
    const patience = setTimeout(() => this.interruption.abort(), STOP_PATIENCE_MS);
    if (this.lanes.underWayCount > 0) await new Promise<void>((resolve) => (this.idle = resolve));
    clearTimeout(patience);
  }

  private startWhatFits(): void {
    if (this.stopping) return;
    for (let next = this.lanes.take(); next; next = this.lanes.take()) void this.run(next);
    if (this.lanes.hasRoomAgain()) this.parts.roomAgain();
  }

  private async run(delivery: QueuedDelivery): Promise<void> {
    let end: DeliveryEnd = { lineWorks: null, ended: null };
    try {
      end = await this.deliver(delivery.id);
    } catch (error) {
      this.parts.logger.warn({ err: error, notificationId: delivery.id }, 'a delivery was left to the next sweep');
    }
    this.lanes.release(delivery, end.lineWorks);
    this.startWhatFits();
    if (this.stopping && this.lanes.underWayCount === 0) this.idle?.();
    if (end.ended && !this.stopping) await this.wakeNext(end.ended);
  }

  private async deliver(id: string): Promise<DeliveryEnd> {
    const { clock, metrics, logger } = this.parts;
    const claim = await this.claims.add(id);
    if (claim === null) return { lineWorks: null, ended: null };
    if (claim.result === 'suppressed') {
      metrics.noteNotTold(claim.reason);
      logger.info({ notificationId: id, ...claim.story, reason: claim.reason }, 'a notification was suppressed');
      return { lineWorks: null, ended: claim.story };
    }
    const { notification } = claim;
    const startedAt = clock.now();
    const startedMs = clock.monotonic();
    const outcome = await this.attemptTraced(notification);
    const finishedAt = clock.now();
    const step = this.stepAfter(outcome, notification, finishedAt);
    const result = { id, attempt: notification.attempt, startedAt, finishedAt, step };
    const isOurs = await this.writeDown({ ...result, outcome: outcome.outcome, detail: outcome.reason });
    this.report(notification, outcome, step, (clock.monotonic() - startedMs) / 1_000);
    if (!isOurs) logger.warn({ notificationId: id }, 'the claim was lost before the result was written down');
    else if (step.status === 'pending') this.wakeAt(id, step.nextAttemptAt);
    return {
      // A refusal for good, or of a recipient, is about this one notification; the line to the other side works.
      lineWorks: outcome.outcome !== 'retryable' || outcome.isAboutRecipient === true,
      ended: isOurs && step.status !== 'pending' ? notification : null,
    };
  }

  private async attemptTraced(notification: ClaimedNotification): Promise<SendOutcome> {
    const span = deliverySpan(this.parts.tracing, notification);
    const outcome = await this.attempt(notification);
    span?.note({ 'flatline.outcome': outcome.outcome });
    if (outcome.outcome !== 'delivered') span?.fail(outcome.reason);
    span?.end();
    return outcome;
  }

  private attempt(notification: ClaimedNotification): Promise<SendOutcome> {
    const { channels, defaults } = this.parts;
    const facts = notificationFacts.safeParse(notification.facts);
    const target = notification.stored ?? defaults.find(notification.channelId);
    if (!facts.success || !target) return Promise.resolve(permanent('the notification cannot be read'));
    return channels.send({
      kind: notification.channelKind,
      settings: target.settings,
      secret: target.secret,
      facts: facts.data,
      idempotencyKey: notification.id,
      signal: this.interruption.signal,
    });
  }

  private stepAfter(outcome: SendOutcome, { attempt, createdAt }: ClaimedNotification, now: number): NextStep {
    if (outcome.outcome === 'retryable' && this.interruption.signal.aborted) {
      return { status: 'pending', nextAttemptAt: now }; // our end, not the receiver's fault
    }
    return nextStep(outcome, { attempts: attempt, createdAt }, now, this.parts.random());
  }

  /** Until it is written, or we stop: what was delivered must not be delivered again because Postgres was away. */
  private async writeDown(result: AttemptResult): Promise<boolean> {
    for (let waitMs = WRITE_RETRY_FIRST_MS; ; waitMs = Math.min(waitMs * 2, WRITE_RETRY_LONGEST_MS)) {
      try {
        return await this.results.add(result);
      } catch (error) {
        if (this.interruption.signal.aborted) throw error;
        this.parts.logger.warn(
          { err: error, notificationId: result.id },
          'a result could not be written; trying again',
        );
      }
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** After the commit that ended one: had we looked before, a notification planned meanwhile would be missed. */
  private async wakeNext({ heartbeatId, channelId }: Story): Promise<void> {
    try {
      const next = await this.successors.add({ heartbeatId, channelId });
      if (next) this.offer([next]);
    } catch (error) {
      this.parts.logger.warn({ err: error, heartbeatId }, 'what follows a delivery was left to the next sweep');
    }
  }

  private wakeAt(id: string, at: number): void {
    this.parts.queue.wakeAt([{ id, at }]).catch((error: unknown) => {
      this.parts.logger.warn({ err: error }, 'the timers took no order; the sweep finds what they forget');
    });
  }

  private report(notification: ClaimedNotification, outcome: SendOutcome, step: NextStep, seconds: number): void {
    const { metrics, logger, clock } = this.parts;
    const { id, heartbeatId, channelKind, attempt } = notification;
    metrics.noteAttempt(channelKind, outcome, step, seconds);
    const fields = { notificationId: id, heartbeatId, channel: channelKind, attempt };
    if (step.status === 'delivered') {
      const facts = notificationFacts.safeParse(notification.facts);
      if (facts.success) metrics.noteTold(channelKind, (clock.now() - facts.data.occurredAt) / 1_000);
      logger.info(fields, 'a notification was delivered');
    } else if (step.status === 'dead') {
      logger.error({ ...fields, reason: step.reason, detail: outcome.reason }, 'a notification was given up');
    } else {
      logger.warn({ ...fields, detail: outcome.reason, nextAttemptAt: step.nextAttemptAt }, 'a delivery failed');
    }
  }
}

function laneOf(channels: ChannelRegistry, { channelId, channelKind }: QueuedDelivery): LaneSpec {
  const { limit, isShared } = channels.find(channelKind)?.concurrency ?? { limit: 1, isShared: true };
  return { name: isShared ? `kind:${channelKind}` : `channel:${channelId}`, limit };
}
