import { shardOf } from '@flatline/domain';
import type { Logger } from '@flatline/service-kernel';
import type { WakeQueue } from '@flatline/timers';
import type { Folded } from './fold';
import type { Judge } from './judge';

export interface AlarmClockParts {
  readonly queue: WakeQueue;
  readonly judge: Judge;
  readonly partitions: number;
  readonly logger: Logger;
  /** The committed watermarks, for shards that another process reads. */
  readonly watermarks: () => Promise<ReadonlyMap<number, number>>;
  /** The timers took something not: what they forgot must be found otherwise. */
  readonly onTimersFailed: (error: unknown) => void;
}

/** Timers that may run their handler at the same time; each only notes its id. */
const WAKE_CONCURRENCY = 500;
const JUDGE_CHUNK = 500;
/** How often to look whether a watermark of another process has moved, while heartbeats wait for it. */
const POLL_MS = 250;

/**
 * Between timers and judge. A timer that goes off finds the watermark a moment behind its deadline, because the
 * watermark follows the clock by up to one pulse; it ends at once, and its heartbeat waits here until the watermark has
 * moved. What waits here is lost with the process and found by the sweep.
 */
export class AlarmClock {
  private readonly woken = new Map<number, Set<string>>();
  private readonly judging = new Set<number>();
  private readonly seenWatermarks = new Map<number, number>();
  private poll: NodeJS.Timeout | undefined;

  constructor(private readonly parts: AlarmClockParts) {}

  async start(): Promise<void> {
    await this.parts.queue.start((heartbeatId) => this.wake(heartbeatId), { concurrency: WAKE_CONCURRENCY });
    this.poll = setInterval(() => void this.pollWatermarks(), POLL_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.poll);
    await this.parts.queue.close();
  }

  /** Moves timers to what was planned; never waits, never throws. */
  arm(folded: readonly Folded[]): void {
    const entries = folded.flatMap(({ heartbeatId, armAt }) =>
      armAt === null ? [] : [{ id: heartbeatId, at: armAt }],
    );
    if (entries.length > 0) this.parts.queue.wakeAt(entries).catch(this.parts.onTimersFailed);
  }

  /** Heartbeats that wait for the watermark of their shard. */
  get waitingCount(): number {
    let count = 0;
    for (const ids of this.woken.values()) count += ids.size;
    return count;
  }

  /** The watermark of a shard has moved: whoever waits for it is judged. */
  watermarkMoved(shard: number, watermark: number): void {
    const seen = this.seenWatermarks.get(shard) ?? -Infinity;
    if (watermark <= seen) return;
    this.seenWatermarks.set(shard, watermark);
    void this.judgeWoken(shard);
  }

  private wake(heartbeatId: string): Promise<void> {
    const shard = shardOf(heartbeatId, this.parts.partitions);
    const waiting = this.woken.get(shard);
    if (waiting) waiting.add(heartbeatId);
    else this.woken.set(shard, new Set([heartbeatId]));
    return Promise.resolve();
  }

  private async judgeWoken(shard: number): Promise<void> {
    const waiting = this.woken.get(shard);
    if (!waiting || waiting.size === 0 || this.judging.has(shard)) return;
    this.judging.add(shard);
    const ids = [...waiting].sort();
    waiting.clear();
    try {
      for (let index = 0; index < ids.length; index += JUDGE_CHUNK) {
        const chunk = ids.slice(index, index + JUDGE_CHUNK);
        const verdict = await this.parts.judge.judge(shard, chunk);
        verdict.waiting.forEach((id) => waiting.add(id));
      }
    } catch (error) {
      this.parts.logger.warn({ err: error, shard }, 'deadlines could not be judged; trying again');
      ids.forEach((id) => waiting.add(id));
    } finally {
      this.judging.delete(shard);
    }
  }

  private async pollWatermarks(): Promise<void> {
    if (this.waitingCount === 0) return;
    try {
      for (const [shard, watermark] of await this.parts.watermarks()) this.watermarkMoved(shard, watermark);
    } catch (error) {
      this.parts.logger.warn({ err: error }, 'watermarks could not be read');
    }
  }
}
