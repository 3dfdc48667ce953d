import type { AbsenceRules } from '@flatline/domain';
import { isPoison, misfitOf } from '@flatline/persistence';
import type { Clock, Logger, Tracing } from '@flatline/service-kernel';
import type { DataSource } from 'typeorm';
import { foldWatermark, type Folded } from './fold';
import type { HistoryStore } from './history-store';
import type { RuntimeStore } from './runtime-store';
import type { SchedulerMetrics } from './scheduler-metrics';
import type { ShardProgressStore } from './shard-progress-store';
import { reportMisfits } from './misfits';
import { merge } from './story';
import { endSpans, judgeSpans, type StorySpans, traced } from './story-spans';

export interface JudgeParts {
  readonly dataSource: DataSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly runtime: RuntimeStore;
  readonly history: HistoryStore;
  readonly progress: ShardProgressStore;
  readonly rules: AbsenceRules;
  readonly metrics: SchedulerMetrics;
  readonly tracing: Tracing;
  /** After the commit, never before: timers to move. */
  readonly arm: (folded: readonly Folded[]) => void;
}

export interface JudgeOptions {
  /** Rows that somebody else holds are left to the next time. */
  readonly skipLocked?: boolean;
}

/** What became of heartbeats that were looked at. */
export interface Verdict {
  /** Ids whose deadline has passed by the clock while the watermark is not yet there: look again when it has moved. */
  readonly waiting: readonly string[];
  readonly wentDown: number;
}

/**
 * Judges silence. Timers wake and sweeps find, but only this decides, in one transaction:
 *
 * 1. lock the rows, so that a ping being applied is either in them or not yet behind the watermark
 * 2. read the watermark and the absences under those locks
 * 3. apply the newest definitions first, then judge deadlines strictly before the watermark and before now
 * 4. write rows, incidents and events
 */
export class Judge {
  constructor(private readonly parts: JudgeParts) {}

  /**
   * All of them in one transaction. When something about one of them is refused as data, each is judged by itself, and
   * the one that cannot be is left out, so that it holds up nobody.
   *
   * @param heartbeatIds of one shard
   */
  async judge(shard: number, heartbeatIds: readonly string[], options: JudgeOptions = {}): Promise<Verdict> {
    try {
      return await this.judgeTogether(shard, heartbeatIds, options);
    } catch (error) {
      if (!isPoison(error)) throw error;
      const [first, ...others] = heartbeatIds;
      if (first !== undefined && others.length === 0) return this.setAside(first, misfitOf(error));
    }
    const verdicts: Verdict[] = [];
    for (const id of heartbeatIds) verdicts.push(await this.judge(shard, [id], options));
    return {
      waiting: verdicts.flatMap(({ waiting }) => waiting),
      wentDown: verdicts.reduce((sum, { wentDown }) => sum + wentDown, 0),
    };
  }

  private async judgeTogether(shard: number, heartbeatIds: readonly string[], options: JudgeOptions): Promise<Verdict> {
    const { dataSource, runtime, history, progress, rules, clock, logger, metrics, tracing, arm } = this.parts;
    const waiting: string[] = [];
    let wentDown = 0;
    let spans: StorySpans = new Map();
    const startedAt = clock.now();
    const folded = await dataSource.transaction(async (manager) => {
      const locked = await runtime.lock(manager, heartbeatIds, startedAt, options); // 1
      const watermark = (await progress.watermarks(manager)).get(shard); // 2
      if (watermark === undefined) {
        waiting.push(...heartbeatIds);
        return [];
      }
      const now = clock.now();
      const context = { absences: await progress.absences(manager, shard, now), rules };
      const ours = [...locked.values()].filter((heartbeat) => heartbeat.shard === shard);
      const results = ours.map((heartbeat) => foldWatermark(heartbeat, watermark, context, now)); // 3
      await runtime.write(
        manager,
        results.filter((result) => result.changed),
      );
      const story = merge(results.map((result) => result.story));
      spans = judgeSpans(tracing, story, startedAt);
      await history.writeStory(manager, traced(story, spans), now); // 4
      wentDown = story.starts.length;
      for (const { heartbeatId, wakeAt } of results) {
        if (wakeAt !== null && wakeAt < now) waiting.push(heartbeatId);
      }
      return results;
    });
    endSpans(spans);
    const stillWaiting = new Set(waiting);
    arm(folded.filter((result) => !stillWaiting.has(result.heartbeatId)));
    metrics.deadlinesJudged.inc(folded.length);
    metrics.noteFolded(folded);
    reportMisfits(folded, logger);
    return { waiting, wentDown };
  }

  private async setAside(heartbeatId: string, reason: string): Promise<Verdict> {
    const { dataSource, runtime, clock, logger, metrics } = this.parts;
    const isNews = await dataSource.transaction((manager) =>
      runtime.misfits.setAside(manager, heartbeatId, reason, clock.now()),
    );
    if (isNews) {
      metrics.deadLetters.inc();
      logger.error({ heartbeatId, reason }, 'a heartbeat is not judged: its row was put aside');
    }
    return { waiting: [], wentDown: 0 };
  }
}
