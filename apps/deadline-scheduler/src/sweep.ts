import type { Clock, Logger } from '@flatline/service-kernel';
import type { DataSource } from 'typeorm';
import type { Judge } from './judge';
import type { ArmedHeartbeat, RuntimeStore } from './runtime-store';
import type { ShardProgressStore } from './shard-progress-store';

export interface SweepParts {
  readonly dataSource: DataSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly judge: Judge;
  readonly runtime: RuntimeStore;
  readonly progress: ShardProgressStore;
  /** The shards that this process reads. Nobody's shards are not swept: their watermark stands. */
  readonly owned: ReadonlySet<number>;
}

const EVERY_MS = 30_000;
/** While the timers are known to fail, the sweep stands in for them. */
const EVERY_WITHOUT_TIMERS_MS = 1_000;
const WITHOUT_TIMERS_FOR_MS = 60_000;
const PAGE_ROWS = 500;
/** A watermark this far behind the clock is lagging; when it has caught up, a sweep follows at once. */
const LAGGING_MS = 1_000;
/**
 * A crash can take the last moves of timers with it, which would leave their deadlines to a later sweep. So the first
 * sweep of a process also arms what is due this soon.
 */
const FIRST_SWEEP_AHEAD_MS = 60_000;

/**
 * Finds what the timers forgot: every row whose timer should have woken before the watermark, page by page without a
 * cap, judged in Postgres and armed anew. It needs neither Redis nor BullMQ, so whatever happens to the timers costs at
 * most one sweep.
 */
export class Sweep {
  private readonly lagging = new Map<number, boolean>();
  private readonly sweeping = new Map<number, Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private lastSweepAt = -Infinity;
  private timersFailedAt = -Infinity;
  private stopped = false;

  constructor(private readonly parts: SweepParts) {}

  start(): void {
    this.timer = setInterval(() => void this.sweepIfDue(), EVERY_WITHOUT_TIMERS_MS);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await Promise.all(this.sweeping.values());
  }

  /** The timers failed: the sweep stands in. @returns whether that is news */
  noteTimersFailed(): boolean {
    const isNews = !this.standsIn;
    this.timersFailedAt = this.parts.clock.monotonic();
    return isNews;
  }

  /** The shard is another process's now. Should it come back, its first sweep is due again. */
  revoked(shard: number): void {
    this.lagging.delete(shard);
  }

  /** Called with every new watermark; sweeps a shard that has caught up after lagging, and one that is new to us. */
  watermarkMoved(shard: number, watermark: number): void {
    const wasLagging = this.lagging.get(shard);
    const isLagging = this.parts.clock.now() - watermark > LAGGING_MS;
    if (wasLagging === undefined && isLagging) return;
    this.lagging.set(shard, isLagging);
    if (wasLagging === undefined) void this.sweepShard(shard, watermark + FIRST_SWEEP_AHEAD_MS);
    else if (wasLagging && !isLagging) void this.sweepShard(shard, watermark);
  }

  /** Sweeps one shard up to an instant; a second call meanwhile joins the first. Never rejects. */
  sweepShard(shard: number, upTo: number): Promise<void> {
    const running = this.sweeping.get(shard);
    if (running) return running;
    const sweep = this.sweepPages(shard, upTo)
      .catch((error: unknown) => {
        if (!this.stopped) this.parts.logger.warn({ err: error, shard }, 'a sweep failed; the next one tries again');
      })
      .finally(() => this.sweeping.delete(shard));
    this.sweeping.set(shard, sweep);
    return sweep;
  }

  private get standsIn(): boolean {
    return this.parts.clock.monotonic() - this.timersFailedAt < WITHOUT_TIMERS_FOR_MS;
  }

  private async sweepIfDue(): Promise<void> {
    const { clock, progress, dataSource, owned } = this.parts;
    const now = clock.monotonic();
    if (now - this.lastSweepAt < (this.standsIn ? EVERY_WITHOUT_TIMERS_MS : EVERY_MS)) return;
    this.lastSweepAt = now;
    try {
      const watermarks = await progress.watermarks(dataSource.manager);
      for (const [shard, watermark] of watermarks) if (owned.has(shard)) await this.sweepShard(shard, watermark);
    } catch (error) {
      this.parts.logger.warn({ err: error }, 'a sweep failed; the next one tries again');
    }
  }

  private async sweepPages(shard: number, upTo: number): Promise<void> {
    const { dataSource, judge, runtime } = this.parts;
    let last: ArmedHeartbeat | undefined;
    while (!this.stopped) {
      const page = await runtime.armed(dataSource.manager, shard, { before: upTo, after: last, limit: PAGE_ROWS });
      if (page.length === 0) return;
      const ids = page.map((row) => row.heartbeatId).sort();
      await judge.judge(shard, ids, { skipLocked: true });
      last = page.at(-1);
    }
  }
}
