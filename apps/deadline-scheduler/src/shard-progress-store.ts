import { type Absence, type ShardProgress, withAbsences } from '@flatline/domain';
import type { PositionOutOfRange } from '@flatline/event-log';
import { DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC } from '@flatline/events';
import {
  type ConsumerPosition,
  nextOffset,
  noteAbsence,
  noteCutOff,
  type PreparedStatement,
  runPrepared,
  timestampOf,
} from '@flatline/persistence';
import type { EntityManager } from 'typeorm';
import type { WaitingSignal } from './batch';

/** How far a shard is: what was read, the watermark that follows from it, and what was read and waits for it. */
export interface ShardPosition {
  readonly nextOffset: number;
  readonly progress: ShardProgress;
  readonly waiting: readonly WaitingSignal[];
}

/** What is kept in the column `ingests`. */
type StoredProgress = Omit<ShardProgress, 'watermark'> & { readonly waiting?: readonly WaitingSignal[] };

/** A shard that goes on from where it is expected to be. */
export interface PositionMove {
  readonly shard: number;
  readonly from: number;
  readonly to: ShardPosition;
}

/** Older absences cannot touch a deadline any more: the longest interval and grace are 366 days each. */
const ABSENCES_KEPT_MS = 3 * 366 * 86_400_000;

const MOVE: PreparedStatement = {
  name: 'move_positions',
  text: `UPDATE consumer_offset AS c SET next_offset = u.next_offset, watermark = ${timestampOf('u.watermark')},
      ingests = u.ingests, updated_at = $3
    FROM unnest($4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::jsonb[])
      AS u(partition, expected, next_offset, watermark, ingests)
    WHERE consumer_group = $1 AND topic = $2 AND c.partition = u.partition AND c.next_offset = u.expected`,
};

/** Reads and writes what belongs to a shard as a whole: position, watermark, live ingests, absences. */
export class ShardProgressStore {
  async read(
    manager: EntityManager,
    shard: number,
    log: { readonly identity: string; readonly start: number },
    now: number,
  ): Promise<ShardPosition> {
    await nextOffset(manager, positionOf(shard), log, now);
    // Position and progress in one look: an owner that was replaced may be committing its last batch just now.
    const [row] = await manager.query<
      { next_offset: string; watermark: Date | null; ingests: StoredProgress | null }[]
    >(
      `SELECT next_offset, watermark, ingests FROM consumer_offset
       WHERE consumer_group = $1 AND topic = $2 AND partition = $3`,
      [DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, shard],
    );
    return {
      nextOffset: Number(row?.next_offset),
      progress: {
        watermark: row?.watermark?.getTime() ?? null,
        ingests: row?.ingests?.ingests ?? {},
        spells: row?.ingests?.spells ?? [],
        ...(row?.ingests?.adoptedAt !== undefined && { adoptedAt: row.ingests.adoptedAt }),
      },
      waiting: row?.ingests?.waiting ?? [],
    };
  }

  /** See {@link noteCutOff}. */
  noteCutOff(manager: EntityManager, shard: number, found: PositionOutOfRange, now: number): Promise<void> {
    return noteCutOff(manager, positionOf(shard), found, now);
  }

  /** Moves positions and watermarks together. False when one is not where it is expected: roll everything back. */
  async move(manager: EntityManager, moves: readonly PositionMove[], now: number): Promise<boolean> {
    const [, moved] = await runPrepared<[unknown, number]>(manager, MOVE, [
      DEADLINE_SCHEDULER_GROUP,
      PINGS_TOPIC,
      new Date(now),
      moves.map(({ shard }) => shard),
      moves.map(({ from }) => from),
      moves.map(({ to }) => to.nextOffset),
      moves.map(({ to }) => to.progress.watermark),
      moves.map(({ to }) => JSON.stringify(storedOf(to))),
    ]);
    return moved === moves.length;
  }

  /** The committed watermark of every shard that has one. */
  async watermarks(manager: EntityManager): Promise<Map<number, number>> {
    const rows = await manager.query<{ partition: number; watermark: Date }[]>(
      `SELECT partition, watermark FROM consumer_offset
       WHERE consumer_group = $1 AND topic = $2 AND watermark IS NOT NULL`,
      [DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC],
    );
    return new Map(rows.map((row) => [row.partition, row.watermark.getTime()]));
  }

  /**
   * Writes down what is new or longer.
   *
   * @param takenBackTo what lies after this instant is void, because the clock of the log was set back to it
   */
  async writeAbsences(
    manager: EntityManager,
    shard: number,
    { changed, takenBackTo }: { readonly changed: readonly Absence[]; readonly takenBackTo: number | null },
  ): Promise<void> {
    if (takenBackTo !== null) {
      const at = new Date(takenBackTo);
      await manager.query('DELETE FROM absence WHERE shard = $1 AND started_at >= $2', [shard, at]);
      await manager.query('UPDATE absence SET ended_at = $2 WHERE shard = $1 AND ended_at > $2', [shard, at]);
    }
    for (const absence of changed) await noteAbsence(manager, shard, absence);
  }

  /** The absences of a shard that can still matter, oldest first. */
  async absences(manager: EntityManager, shard: number, now: number): Promise<readonly Absence[]> {
    const rows = await manager.query<{ started_at: Date; ended_at: Date }[]>(
      `SELECT started_at, ended_at FROM absence WHERE shard = $1 AND ended_at > $2 ORDER BY started_at`,
      [shard, new Date(now - ABSENCES_KEPT_MS)],
    );
    // One outage may lie in several rows: written down by an operator's command, or by an earlier version.
    return withAbsences(
      [],
      rows.map((row) => ({ startedAt: row.started_at.getTime(), endedAt: row.ended_at.getTime() })),
    );
  }
}

/** Nearly always nothing waits, and this is written several times a second. */
function storedOf({ progress: { watermark: _inItsColumn, ...progress }, waiting }: ShardPosition): StoredProgress {
  return waiting.length > 0 ? { ...progress, waiting } : progress;
}

function positionOf(shard: number): ConsumerPosition {
  return { group: DEADLINE_SCHEDULER_GROUP, topic: PINGS_TOPIC, partition: shard };
}
