import type { Absence, ShardProgress } from '@flatline/domain';
import { DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC } from '@flatline/events';
import { nextOffset } from '@flatline/persistence';
import type { EntityManager } from 'typeorm';

/** How far a shard is: what was read, the watermark that follows from it, and the absences found on the way. */
export interface ShardPosition {
  readonly nextOffset: number;
  readonly progress: ShardProgress;
}

/** Absences closer together than this are one: pulses are a quarter of a second apart, and an outage flickers. */
const ABSENCES_MERGE_MS = 1_000;
/** Older absences cannot touch a deadline any more: the longest interval and grace are 366 days each. */
const ABSENCES_KEPT_MS = 3 * 366 * 86_400_000;

/** Reads and writes what belongs to a shard as a whole: position, watermark, live ingests, absences. */
export class ShardProgressStore {
  async read(
    manager: EntityManager,
    shard: number,
    log: { readonly identity: string; readonly start: number },
    now: number,
  ): Promise<ShardPosition> {
    await nextOffset(manager, { group: DEADLINE_SCHEDULER_GROUP, topic: PINGS_TOPIC, partition: shard }, log, now);
    // Position and progress in one look: an owner that was replaced may be committing its last batch just now.
    const [row] = await manager.query<
      { next_offset: string; watermark: Date | null; ingests: Pick<ShardProgress, 'ingests' | 'spells'> | null }[]
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
      },
    };
  }

  /** Moves position and watermark together. False when the position is not where it was expected: nothing was written. */
  async move(manager: EntityManager, shard: number, from: number, to: ShardPosition, now: number): Promise<boolean> {
    const { watermark, ingests, spells } = to.progress;
    const [, moved] = await manager.query<[unknown, number]>(
      `UPDATE consumer_offset SET next_offset = $5, watermark = $6, ingests = $7, updated_at = $8
       WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND next_offset = $4`,
      [
        DEADLINE_SCHEDULER_GROUP,
        PINGS_TOPIC,
        shard,
        from,
        to.nextOffset,
        watermark === null ? null : new Date(watermark),
        JSON.stringify({ ingests, spells }),
        new Date(now),
      ],
    );
    return moved === 1;
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

  async addAbsences(manager: EntityManager, shard: number, absences: readonly Absence[]): Promise<void> {
    for (const absence of absences) {
      await manager.query(
        `INSERT INTO absence (shard, started_at, ended_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
        [shard, new Date(absence.startedAt), new Date(absence.endedAt)],
      );
    }
  }

  /** The absences of a shard that can still matter, oldest first, those of one outage merged. */
  async absences(manager: EntityManager, shard: number, now: number): Promise<Absence[]> {
    const rows = await manager.query<{ started_at: Date; ended_at: Date }[]>(
      `SELECT started_at, ended_at FROM absence WHERE shard = $1 AND ended_at > $2 ORDER BY started_at`,
      [shard, new Date(now - ABSENCES_KEPT_MS)],
    );
    const merged: Absence[] = [];
    for (const row of rows) {
      const absence = { startedAt: row.started_at.getTime(), endedAt: row.ended_at.getTime() };
      const last = merged.at(-1);
      if (last && absence.startedAt - last.endedAt <= ABSENCES_MERGE_MS) {
        merged[merged.length - 1] = { ...last, endedAt: Math.max(last.endedAt, absence.endedAt) };
      } else {
        merged.push(absence);
      }
    }
    return merged;
  }
}
