import { setTimeout as sleep } from 'node:timers/promises';
import type { EventLog, LogTopicSpec } from '@flatline/event-log';
import { PINGS_TOPIC } from '@flatline/events';
import { CommandRefused } from '@flatline/infrastructure';
import { noteAbsence, partitioningToChange, replaceLogFact } from '@flatline/persistence';
import type { Clock } from '@flatline/service-kernel';
import type { DataSource, EntityManager } from 'typeorm';
import { findMisplaced, type Misplaced, type Wanted } from './misplaced';

export interface AdoptParts {
  readonly dataSource: DataSource;
  /** In the generation of the installation. */
  readonly log: EventLog;
  readonly clock: Clock;
  /** Made where the log has them not. */
  readonly topics: readonly LogTopicSpec[];
  /** How long the positions must stand still, ms; unset, longer than a reader that works does. */
  readonly stillForMs?: number;
}

/** An ingest pulses four times a second, so the position of a shard that is read never stands for so long. */
const STILL_FOR_MS = 3_000;

/**
 * Lets consumers go on in the log that is connected, where the log does not hold their stored positions. One transaction:
 *
 * 1. nobody reads meanwhile: the positions stand still. Where the log is another one altogether, no process lives either
 * 2. the position becomes the first record that the log holds: what was read before is read once more, which changes
 *    nothing, and nothing that is there is left out
 * 3. for a shard, what may be missing is written down as an absence, from its watermark until now: jobs did reach us, but
 *    we do not know what they said, so nobody is told "down" for that time. The scheduler tells of it as of any other
 * 4. what is known of the ingests is forgotten, because their epochs begin anew in another log. Pings that were read and
 *    wait for the watermark are kept. The watermark stays, and moves on with the first pulse from after the adoption
 *    (`adoptedAt` in libs/domain/src/watermark.ts)
 * 5. the installation uses this log from now on
 *
 * @returns what was adopted
 * @throws CommandRefused when there is nothing to adopt, or somebody reads
 */
export async function adoptLog(parts: AdoptParts, wanted: Wanted): Promise<readonly Misplaced[]> {
  const { dataSource, log, clock, topics, stillForMs = STILL_FOR_MS } = parts;
  const before = await findMisplaced(dataSource.manager, log, wanted);
  if (before.length === 0) throw new CommandRefused('the log holds every position that is stored');
  await sleep(stillForMs); // 1
  await log.ensureTopics(topics);
  return dataSource.transaction(async (manager) => {
    const isReplaced = before.some(({ why }) => why === 'replaced');
    if (isReplaced) await refuseWhileAnybodyLives(manager);
    const now = new Date(clock.now());
    for (const misplaced of before) {
      await movePosition(manager, misplaced, log.identity(), now); // 2, 4
      const { topic, partition, watermark } = misplaced;
      if (topic !== PINGS_TOPIC || watermark === null || watermark >= now) continue;
      await noteAbsence(manager, partition, { startedAt: watermark.getTime(), endedAt: now.getTime() }); // 3
    }
    if (isReplaced) await replaceLogFact(manager, log.identity()); // 5
    return before;
  });
}

/** @throws CommandRefused */
export async function refuseWhileAnybodyLives(manager: EntityManager): Promise<void> {
  const change = await partitioningToChange(manager);
  if (change.outcome !== 'in-use') return;
  throw new CommandRefused(`processes of Flatline are connected (${change.by.join(', ')}); stop them first`);
}

async function movePosition(
  manager: EntityManager,
  { group, topic, partition, position, identity, bounds }: Misplaced,
  adopted: string,
  now: Date,
): Promise<void> {
  const forgotten = JSON.stringify({ ingests: {}, spells: [], adoptedAt: now.getTime() });
  const [, moved] = await manager.query<[unknown, number]>(
    `UPDATE consumer_offset SET next_offset = $6, log_identity = $7, updated_at = $8, cut_off_at = NULL,
       ingests = ingests || $9::jsonb
     WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND next_offset = $4 AND log_identity = $5`,
    [group, topic, partition, position, identity, bounds.start, adopted, now, forgotten],
  );
  if (moved === 1) return;
  throw new CommandRefused(`the position of ${group} in ${topic}, partition ${partition}, moves: somebody reads it`);
}
