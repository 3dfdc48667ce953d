import { DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC } from '@flatline/events';
import { CommandRefused } from '@flatline/infrastructure';
import type { DataSource } from 'typeorm';
import { refuseWhileAnybodyLives } from './adopt';
import type { Wanted } from './misplaced';

/**
 * Lowers the watermark of shards that claim to have seen more than they have, as after a broker whose clock was ahead.
 * Deadlines from there on wait until pulses have passed them again. What each ingest is known to have claimed is lowered
 * with it, or the next pulse would put the watermark back. No process may live, because it would do the same.
 *
 * @param to epoch ms
 * @returns the shards that were lowered
 * @throws CommandRefused
 */
export async function lowerWatermark(dataSource: DataSource, to: number, { partition }: Wanted): Promise<number[]> {
  return dataSource.transaction(async (manager) => {
    await refuseWhileAnybodyLives(manager);
    const [rows] = await manager.query<[{ partition: number }[], number]>(
      `UPDATE consumer_offset SET watermark = to_timestamp($3::float8 / 1000), ingests = jsonb_set(ingests, '{ingests}', coalesce((
         SELECT jsonb_object_agg(id, jsonb_set(known, '{lowWatermark}', to_jsonb(LEAST((known->>'lowWatermark')::bigint, $3::bigint))))
         FROM jsonb_each(ingests->'ingests') AS each(id, known)), '{}'))
       WHERE consumer_group = $1 AND topic = $2 AND ($4::int IS NULL OR partition = $4)
         AND watermark > to_timestamp($3::float8 / 1000)
       RETURNING partition`,
      [DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, to, partition ?? null],
    );
    if (rows.length === 0) throw new CommandRefused('no watermark lies behind that instant');
    return rows.map((row) => row.partition).sort((a, b) => a - b);
  });
}
