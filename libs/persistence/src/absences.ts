import type { Absence } from '@flatline/domain';
import type { EntityManager } from 'typeorm';

/**
 * Writes down a time of a shard in which jobs could not reach us, or of which we do not know what they said. One that is
 * known by its start keeps its row and becomes longer, never shorter.
 *
 * Whoever wrote it down: the reader of the shard tells of it, and counts it, when the watermark is past it.
 */
export async function noteAbsence(manager: EntityManager, shard: number, absence: Absence): Promise<void> {
  await manager.query(
    `INSERT INTO absence (shard, started_at, ended_at) VALUES ($1, $2, $3)
     ON CONFLICT (shard, started_at) DO UPDATE SET ended_at = EXCLUDED.ended_at
       WHERE absence.ended_at < EXCLUDED.ended_at`,
    [shard, new Date(absence.startedAt), new Date(absence.endedAt)],
  );
}
