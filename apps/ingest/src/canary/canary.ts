import type { Clock, Finding, Logger, Metrics, StandingCondition } from '@flatline/service-kernel';
import type { CanaryAnswer } from './call-canary';
import { CanaryMetrics } from './canary-metrics';
import { Reachability, type Reach, UNCHECKED } from './reachability';

export interface CanaryParts {
  /** One call through the public address; null when none was configured. Never rejects. */
  readonly call: (() => Promise<CanaryAnswer>) | null;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** From one check to the next; 250 unless a test is in a hurry. */
  readonly everyMs?: number;
}

/** The watermark follows the calls, so alerts come so much later at most. */
const EVERY_MS = 250;
/** With the second attempt, some checks fit into half of the shortest lease. */
export const CANARY_TIMEOUT_MS = 1_000;
const ATTEMPTS = 2;

/** Calls this installation through the address that jobs use, again and again, and so knows whether they can reach it. */
export class Canary {
  private readonly reachability: Reachability;
  private readonly metrics: CanaryMetrics;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private said: Reach['kind'] = 'proven';
  private lastReason: CanaryAnswer = 'no_answer';

  constructor(private readonly parts: CanaryParts) {
    this.reachability = new Reachability(parts.clock, parts.leaseMs);
    this.metrics = new CanaryMetrics(parts.metrics, () => this.reach().kind === 'lost');
  }

  /** Call when the socket is listening. */
  start(): void {
    if (this.parts.call === null) return;
    this.reachability.begin();
    void this.checkOnAndOn(this.parts.call);
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  /** What a pulse may claim. */
  reach(): Reach {
    return this.parts.call === null ? UNCHECKED : this.reachability.look();
  }

  /** A ping has come. @returns whether a pulse must tell of it first, because calls were failing */
  noteCame(): boolean {
    return this.parts.call !== null && this.reachability.noteCame();
  }

  /** What an operator must hear of. */
  findings(): readonly Finding<StandingCondition>[] {
    const { kind } = this.reach();
    if (this.parts.call === null || kind === 'proven') return [];
    const sentence =
      kind === 'lost'
        ? `calls through CANARY_URL fail (${this.lastReason}): jobs cannot reach this ingest`
        : `CANARY_URL is not answered by an ingest of this installation (${this.lastReason}): it is of no use`;
    return [{ condition: 'unreachable', sentence }];
  }

  private async checkOnAndOn(call: () => Promise<CanaryAnswer>): Promise<void> {
    const startedAt = this.parts.clock.monotonic();
    await this.check(call);
    this.sayWhatChanged();
    if (this.isStopped) return;
    const restMs = Math.max(0, startedAt + (this.parts.everyMs ?? EVERY_MS) - this.parts.clock.monotonic());
    this.timer = setTimeout(() => void this.checkOnAndOn(call), restMs);
  }

  /** A call that fails is repeated at once: one lost packet is no outage. */
  private async check(call: () => Promise<CanaryAnswer>): Promise<void> {
    this.reachability.noteChecking();
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const sent = this.reachability.moment();
      const answer = await call();
      if (answer === 'answered') {
        this.reachability.noteReached(sent);
        return;
      }
      this.lastReason = answer;
      this.metrics.failures.inc({ reason: answer });
    }
    this.reachability.noteMissed();
  }

  /** The URL may hold credentials: it stays out of the log. */
  private sayWhatChanged(): void {
    const { logger } = this.parts;
    const { kind } = this.reachability.look();
    if (kind === this.said) return;
    const reason = this.lastReason;
    if (kind === 'lost') logger.warn({ reason }, 'calls through CANARY_URL fail: jobs cannot reach this ingest');
    if (kind === 'unchecked') {
      logger.warn({ reason }, 'CANARY_URL is not answered by an ingest of ours; until it is, nothing is made of that');
    }
    if (kind === 'proven') logger.info({}, 'calls through CANARY_URL get through again');
    this.said = kind;
  }
}
