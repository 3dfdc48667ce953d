import { shardOf } from '@flatline/domain';
import type { Clock, Logger } from '@flatline/service-kernel';
import type { Timers, WakeQueue } from '@flatline/timers';
import type { Folded } from './fold';
import type { Judge } from './judge';

export interface AlarmClockParts {
  readonly timers: Timers;
  readonly judge: Judge;
  readonly partitions: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The timers took something not: what they forgot must be found otherwise. */
  readonly onTimersFailed: (error: unknown) => void;
}

/** Timers of a shard that may run their handler at the same time; each only notes its id. */
const WAKE_CONCURRENCY = 500;
const JUDGE_CHUNK = 500;

/** A shard that this process reads. */
interface OwnedShard {
  /** Heartbeats whose timer has gone off and whose deadline the watermark has not passed yet. */
  readonly woken: Set<string>;
  watermark: number;
  isJudging: boolean;
}

/**
 * Between timers and judge. Each shard has a queue of its own, and whoever reads the shard is woken, because there the
 * watermark is known. A timer that goes off finds the watermark a moment behind its deadline, because the watermark
 * follows the clock by up to one pulse; it ends at once, and its heartbeat waits here until the watermark has moved. What
 * waits here is lost with the process, or with the shard, and found by the first sweep of the next reader.
 */
export class AlarmClock {
  private readonly owned = new Map<number, OwnedShard>();

  constructor(private readonly parts: AlarmClockParts) {}

  /** This process reads the shard from now on. Idempotent. */
  async assigned(shard: number): Promise<void> {
    if (this.owned.has(shard)) return;
    this.owned.set(shard, { woken: new Set(), watermark: -Infinity, isJudging: false });
    await this.queueOf(shard).start((heartbeatId) => this.wake(shard, heartbeatId), { concurrency: WAKE_CONCURRENCY });
  }

  /** Somebody else reads it now. Ends within 2 s. */
  async revoked(shard: number): Promise<void> {
    if (!this.owned.delete(shard)) return;
    await this.queueOf(shard).stop();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.owned.keys()].map((shard) => this.revoked(shard)));
  }

  /** Moves timers to what was planned; never waits, never throws. */
  arm(folded: readonly Folded[]): void {
    const entries = folded.flatMap(({ heartbeatId, armAt }) =>
      armAt === null ? [] : [{ id: heartbeatId, at: armAt }],
    );
    for (const [shard, ofShard] of this.byShard(entries, ({ id }) => id)) {
      this.queueOf(shard).wakeAt(ofShard).catch(this.parts.onTimersFailed);
    }
  }

  /** Takes timers away that nobody needs; never waits, never throws. */
  disarm(heartbeatIds: readonly string[]): void {
    for (const [shard, ids] of this.byShard(heartbeatIds, (id) => id)) {
      this.queueOf(shard).cancel(ids).catch(this.parts.onTimersFailed);
    }
  }

  /** The watermark of a shard has moved: whoever waits for it is judged. Back, when the log's clock was set back. */
  watermarkMoved(shard: number, watermark: number): void {
    const owned = this.owned.get(shard);
    if (!owned) return;
    const isAhead = watermark > owned.watermark;
    owned.watermark = watermark;
    if (isAhead) void this.judgeWoken(shard, owned);
  }

  /** For readiness: what keeps a shard of this process from being woken. */
  async missing(): Promise<string | null> {
    const answers = await Promise.all([...this.owned.keys()].map((shard) => this.queueOf(shard).missing()));
    return answers.find((answer) => answer !== null) ?? null;
  }

  /** Wake-ups that lie ahead; without the shards whose timers do not answer. */
  async armedByShard(): Promise<ReadonlyMap<number, number>> {
    const shards = [...this.owned.keys()];
    const counts = await Promise.allSettled(shards.map((shard) => this.queueOf(shard).armedCount()));
    const armed = new Map<number, number>();
    counts.forEach((count, index) => {
      if (count.status === 'fulfilled') armed.set(shards[index] as number, count.value);
    });
    return armed;
  }

  private queueOf(shard: number): WakeQueue {
    return this.parts.timers.queue(`deadlines-${shard}`);
  }

  private byShard<Item>(items: readonly Item[], idOf: (item: Item) => string): Map<number, Item[]> {
    const groups = new Map<number, Item[]>();
    for (const item of items) {
      const shard = shardOf(idOf(item), this.parts.partitions);
      const group = groups.get(shard);
      if (group) group.push(item);
      else groups.set(shard, [item]);
    }
    return groups;
  }

  private async wake(shard: number, heartbeatId: string): Promise<void> {
    // Left over from a time with another number of partitions: the queue of its shard has it too.
    if (shardOf(heartbeatId, this.parts.partitions) !== shard) return;
    const owned = this.owned.get(shard);
    if (owned) owned.woken.add(heartbeatId);
    // Claimed while the shard went away: whoever reads it now is to be woken.
    else await this.queueOf(shard).wakeAt([{ id: heartbeatId, at: this.parts.clock.now() }]);
  }

  private async judgeWoken(shard: number, owned: OwnedShard): Promise<void> {
    const { woken } = owned;
    if (woken.size === 0 || owned.isJudging) return;
    owned.isJudging = true;
    const ids = [...woken].sort();
    woken.clear();
    try {
      for (let index = 0; index < ids.length; index += JUDGE_CHUNK) {
        const chunk = ids.slice(index, index + JUDGE_CHUNK);
        const verdict = await this.parts.judge.judge(shard, chunk);
        verdict.waiting.forEach((id) => woken.add(id));
      }
    } catch (error) {
      this.parts.logger.warn({ err: error, shard }, 'deadlines could not be judged; trying again');
      ids.forEach((id) => woken.add(id));
    } finally {
      owned.isJudging = false;
    }
  }
}
