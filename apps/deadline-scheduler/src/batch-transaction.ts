import type { Absence, RuleContext } from '@flatline/domain';
import { PositionMoved } from '@flatline/event-log';
import { bury, enqueue, isPoison, type PoisonRecord, reasonOf } from '@flatline/persistence';
import type { Clock } from '@flatline/service-kernel';
import type { DataSource, EntityManager } from 'typeorm';
import { absenceEvent } from './absence-event';
import type { Batch, WaitingSignal } from './batch';
import { type Due, dueIn, eachOf, foldAll, signalsIn, waitingOf } from './due-pings';
import type { Folded } from './fold';
import type { HistoryStore } from './history-store';
import type { RuntimeStore } from './runtime-store';
import type { ShardPosition, ShardProgressStore } from './shard-progress-store';
import { merge } from './story';
import { type StorySpans, traced } from './story-spans';

export interface BatchTransactionParts {
  readonly dataSource: DataSource;
  readonly clock: Clock;
  readonly runtime: RuntimeStore;
  readonly history: HistoryStore;
  readonly progress: ShardProgressStore;
}

/** What a batch says about the times in which jobs could not reach us. */
export interface AbsenceNews {
  /** The clock of the log was set back to this instant: what is known of later ones is void. Null: it was not. */
  readonly takenBackTo: number | null;
  /** Those that are new or longer than they were. */
  readonly changed: readonly Absence[];
  /** Those that can grow no more: they are told of now. */
  readonly over: readonly Absence[];
}

/** A batch of one shard, and what becomes of the shard when it is applied. */
export interface ShardBatch {
  readonly shard: number;
  readonly batch: Batch;
  /** Where the position is expected to be. */
  readonly from: number;
  /** With the pings that wait since earlier batches. */
  readonly to: ShardPosition;
  readonly watermarkMoved: boolean;
  /** What its pulses made certain; the context knows it too. */
  readonly absences: AbsenceNews;
  readonly context: RuleContext;
  readonly spans: StorySpans;
}

/** What was committed. */
export interface Applied {
  readonly folded: readonly Folded[];
  readonly poison: readonly PoisonRecord[];
  /** What waits now. */
  readonly waiting: readonly WaitingSignal[];
}

/**
 * Applies batches of pings and pulses in one transaction, exactly once:
 *
 * 1. lock the runtime rows of the batches in the order of their ids, with their newest definitions
 * 2. fold the pings through the deadline rule, those that waited for the watermark again
 * 3. write rows, history, incidents and events
 * 4. put aside what could not be read, note absences, and tell of those that are over
 * 5. move the positions, and with them the watermarks and what waits for them, from where they are expected; when one is
 *    not there, everything is rolled back
 *
 * A crash anywhere, a rebalance or a zombie changes nothing twice.
 */
export class BatchTransaction {
  constructor(private readonly parts: BatchTransactionParts) {}

  /**
   * All or nothing.
   * @returns what became of each batch, in their order
   * @throws PositionMoved when that is so for any of them; poison as the database or the rule refuses it
   */
  apply(batches: readonly ShardBatch[]): Promise<Applied[]> {
    return this.commit(batches, (manager, now) => this.applyTogether(manager, batches.map(dueIn), now));
  }

  /** Steps 1 to 3 for each ping under a savepoint of its own: poison goes to the dead letters, the others stay. */
  async applyOneByOne(batch: ShardBatch): Promise<Applied> {
    const [applied] = await this.commit([batch], async (manager, now) => {
      const folded: Folded[] = [];
      const due = dueIn(batch);
      const waiting = [...due.left];
      const poison: PoisonRecord[] = [];
      for (const { alone, record } of eachOf({ ...due, left: [] })) {
        try {
          const [one] = await manager.transaction((savepoint) => this.applyTogether(savepoint, [alone], now));
          folded.push(...(one?.folded ?? []));
          waiting.push(...(one?.waiting ?? []));
        } catch (error) {
          if (!isPoison(error)) throw error;
          if (record) poison.push({ record, reason: reasonOf(error) });
        }
      }
      return [{ folded, poison, waiting }];
    });
    return applied!;
  }

  private commit(
    batches: readonly ShardBatch[],
    applyPings: (manager: EntityManager, now: number) => Promise<Applied[]>,
  ): Promise<Applied[]> {
    const { dataSource, progress, clock } = this.parts;
    return dataSource.transaction(async (manager) => {
      const now = clock.now();
      const applied = await applyPings(manager, now); // 1 to 3
      const results = applied.map((each, index) => ({
        ...each,
        poison: [...batches[index]!.batch.poison, ...each.poison],
      }));
      await bury(
        manager,
        results.flatMap(({ poison }) => poison),
        now,
      ); // 4
      for (const { shard, absences } of batches) await progress.writeAbsences(manager, shard, absences);
      await enqueue(
        manager,
        batches.flatMap(({ shard, absences, context }) =>
          absences.over.map((absence) => absenceEvent(shard, absence, context.rules, now)),
        ),
      );
      const moves = batches.map(({ shard, from, to }, index) => {
        const { waiting } = results[index]!;
        return { shard, from, to: { ...to, waiting } };
      });
      if (!(await progress.move(manager, moves, now))) throw new PositionMoved(); // 5
      return results;
    });
  }

  private async applyTogether(manager: EntityManager, due: readonly Due[], now: number): Promise<Applied[]> {
    const { runtime, history } = this.parts;
    const pings = due.flatMap((each) => each.pings);
    const signals = due.flatMap(signalsIn);
    if (signals.length === 0) return due.map(({ left }) => ({ folded: [], poison: [], waiting: left }));
    const locked = await runtime.lock(manager, [...new Set(signals.map((signal) => signal.heartbeatId))], now); // 1
    const results = due.map((each) => foldAll(locked, each, now)); // 2
    const changed = results.flat().filter((result) => result.changed);
    await runtime.write(manager, changed); // 3
    await history.writePings(
      manager,
      pings.filter((ping) => locked.has(ping.heartbeatId)),
    );
    const stories = results.map((folded, index) => traced(merge(folded.map(({ story }) => story)), due[index]!.spans));
    await history.writeStory(manager, merge(stories), now);
    return results.map((folded, index) => {
      const waiting = [...due[index]!.left, ...folded.flatMap(waitingOf)];
      return { folded, poison: [], waiting };
    });
  }
}
