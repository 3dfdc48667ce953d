import { type EventLog, type LogBounds, UnknownTopic } from '@flatline/event-log';
import { TOPICS } from '@flatline/events';
import type { EntityManager } from 'typeorm';

/** Which positions are looked at; all of them where nothing is said. */
export interface Wanted {
  readonly group?: string | undefined;
  readonly topic?: string | undefined;
  readonly partition?: number | undefined;
}

/**
 * Why a position and the log do not belong together:
 *
 * - `replaced`: it is the position in another log
 * - `expired`: the log begins behind it; records were dropped before they were read
 * - `truncated`: the log ends before it, or did so once; records that were there are gone
 */
export type Misplacement = 'replaced' | 'expired' | 'truncated';

/** A stored position that the log does not hold. */
export interface Misplaced {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly why: Misplacement;
  readonly position: number;
  readonly identity: string;
  readonly bounds: LogBounds;
  /** Of the shard, where the group judges. */
  readonly watermark: Date | null;
}

interface PositionRow {
  readonly consumer_group: string;
  readonly topic: string;
  readonly partition: number;
  readonly log_identity: string;
  readonly next_offset: string;
  readonly watermark: Date | null;
  readonly cut_off_at: Date | null;
}

/** Every stored position that the connected log does not hold, in the order of group, topic and partition. */
export async function findMisplaced(manager: EntityManager, log: EventLog, wanted: Wanted): Promise<Misplaced[]> {
  const rows = await manager.query<PositionRow[]>(
    `SELECT consumer_group, topic, partition, log_identity, next_offset, watermark, cut_off_at FROM consumer_offset
     WHERE topic = ANY($1::text[]) AND ($2::text IS NULL OR consumer_group = $2)
       AND ($3::text IS NULL OR topic = $3) AND ($4::int IS NULL OR partition = $4)
     ORDER BY consumer_group, topic, partition`,
    [TOPICS.map(({ name }) => name), wanted.group ?? null, wanted.topic ?? null, wanted.partition ?? null],
  );
  const misplaced: Misplaced[] = [];
  for (const row of rows) {
    const { consumer_group: group, topic, partition, log_identity: identity, watermark, cut_off_at: cutOffAt } = row;
    const position = Number(row.next_offset);
    const bounds = await boundsOf(log, topic, partition);
    const why = misplacement(identity === log.identity(), position, bounds, cutOffAt);
    if (why) misplaced.push({ group, topic, partition, why, position, identity, bounds, watermark });
  }
  return misplaced;
}

function misplacement(
  isSameLog: boolean,
  position: number,
  { start, end }: LogBounds,
  cutOffAt: Date | null,
): Misplacement | null {
  if (!isSameLog) return 'replaced';
  if (position < start) return 'expired';
  return position > end || cutOffAt !== null ? 'truncated' : null;
}

/** A log that was replaced may be empty as yet. */
async function boundsOf(log: EventLog, topic: string, partition: number): Promise<LogBounds> {
  try {
    return await log.bounds(topic, partition);
  } catch (error) {
    if (!(error instanceof UnknownTopic)) throw error;
    return { start: 0, end: 0 };
  }
}
