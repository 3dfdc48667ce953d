import type { Clock, HealthRegistry, Logger } from '@flatline/service-kernel';
import { type Timers, TimersUnavailable, type WakeEntry } from '@flatline/timers';
import type { DataSource } from 'typeorm';
import type { ArmedHeartbeat, RuntimeStore } from './runtime-store';
import type { SchedulerMetrics } from './scheduler-metrics';
import { Turnstile } from './turnstile';

export interface TimerRecoveryParts {
  readonly dataSource: DataSource;
  readonly timers: Timers;
  readonly runtime: RuntimeStore;
  readonly partitions: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Pick<HealthRegistry, 'happened'>;
  readonly metrics: SchedulerMetrics;
  /** The shards that this process reads. */
  readonly owned: ReadonlySet<number>;
  /** The timers cannot be asked, so they do not wake either. */
  readonly onTimersFailed: (error: unknown) => void;
}

const LOOK_EVERY_MS = 5_000;
const PAGE_ROWS = 5_000;
/** Two shards at the same time keep Postgres and the timers busy, and leave connections for everybody else. */
const SHARDS_AT_ONCE = 2;

/**
 * Arms the whole future of a shard anew when its timers were lost all at once: a Redis that was flushed, replaced by an
 * empty one, or is new. The rows know what each timer is armed for. Meanwhile the sweep finds what comes due; so such a
 * loss costs nobody more than one sweep. What it does not see is a crash that took the last second's moves: those are
 * left to the sweep.
 */
export class TimerRecovery {
  private readonly running = new Map<number, Promise<void>>();
  private readonly turnstile = new Turnstile(SHARDS_AT_ONCE);
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly parts: TimerRecoveryParts) {}

  start(): void {
    this.timer = setInterval(() => this.parts.owned.forEach((shard) => void this.look(shard)), LOOK_EVERY_MS);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await Promise.all(this.running.values());
  }

  /** Looks at the timers of one shard now; a second call meanwhile joins the first. Never rejects. */
  look(shard: number): Promise<void> {
    const running = this.running.get(shard);
    if (running) return running;
    const look = this.turnstile
      .pass(() => this.restoreIfLost(shard))
      .catch((error: unknown) => this.failed(shard, error))
      .finally(() => this.running.delete(shard));
    this.running.set(shard, look);
    return look;
  }

  private async restoreIfLost(shard: number): Promise<void> {
    if (!this.isOurs(shard)) return;
    const { timers, partitions, clock, logger, health, metrics } = this.parts;
    const queue = timers.queue(`deadlines-${shard}`);
    // Another number of partitions means other heartbeats in this shard.
    const scope = `${partitions} partitions`;
    if (await queue.isIntact(scope)) return;
    const startedAt = clock.monotonic();
    const before = queue.counts().added;
    const isComplete = await queue.restore(scope, this.armedPages(shard));
    const added = queue.counts().added - before;
    metrics.timersRestored.inc(added);
    if (added === 0 && isComplete) return;
    const fields = { shard, added, isComplete, ms: Math.round(clock.monotonic() - startedAt) };
    logger.warn(fields, 'the timers of a shard were lost and have been armed anew');
    health.happened('timers_lost', `${added} timers of shard ${shard} were armed anew`);
  }

  /** @throws when the shard goes away meanwhile: an end would mean that this was all */
  private async *armedPages(shard: number): AsyncGenerator<WakeEntry[]> {
    const { runtime, dataSource } = this.parts;
    let last: ArmedHeartbeat | undefined;
    do {
      const page = await runtime.armed(dataSource.manager, shard, { after: last, limit: PAGE_ROWS });
      if (!this.isOurs(shard)) throw new Error('the shard went away while its timers were armed anew');
      if (page.length > 0) yield page.map(({ heartbeatId, wakeAt }) => ({ id: heartbeatId, at: wakeAt.getTime() }));
      last = page.at(-1);
    } while (last);
  }

  private failed(shard: number, error: unknown): void {
    if (!this.isOurs(shard)) return;
    if (error instanceof TimersUnavailable) this.parts.onTimersFailed(error);
    else this.parts.logger.warn({ err: error, shard }, 'lost timers could not be armed anew; trying again');
  }

  private isOurs(shard: number): boolean {
    return !this.stopped && this.parts.owned.has(shard);
  }
}
