import { setTimeout as sleep } from 'node:timers/promises';
import { type EventLog, inGeneration } from '@flatline/event-log';
import { TOPICS } from '@flatline/events';
import { type Partitioning, partitioningToChange, recordPartitioning } from '@flatline/persistence';
import type { Clock } from '@flatline/service-kernel';
import type { DataSource, EntityManager } from 'typeorm';
import { endsOf, sameEnds, unreadRecord } from './log-ends';
import { spreadHeartbeats, spreadProgress } from './spread';

export interface GrowParts {
  readonly dataSource: DataSource;
  /** In the names that the log itself knows. */
  readonly log: EventLog;
  readonly clock: Clock;
  /** How long the log must stand still, ms; unset, longer than any ingest that works is silent. */
  readonly stillForMs?: number;
}

export type Growth =
  | { readonly outcome: 'already'; readonly partitions: number }
  | {
      readonly outcome: 'grown';
      readonly partitions: number;
      readonly heartbeats: number;
      /** How many of them have another shard now. */
      readonly moved: number;
      readonly tookMs: number;
    };

/** The partitions cannot grow like this, or not now. Nothing was changed. */
export class GrowthRefused extends Error {
  override readonly name = 'GrowthRefused';
}

const MOST_PARTITIONS = 1_024;
/** An ingest pulses four times a second, and appends nothing before a pulse of the last seconds got through. */
const STILL_FOR_MS = 3_000;

/**
 * Spreads the heartbeats over more partitions: a new generation of topics, in which everything goes on where the old one
 * ended (docs/adr/0017-growing-partitions.md). One transaction, so that a crash anywhere leaves the old or the new:
 *
 * 1. nobody is alive: every process holds the lock shared, this transaction holds it alone
 * 2. everything in the log has been read
 * 3. the new topics are made. Empty topics of a growth that fails below are found again by the next attempt
 * 4. every heartbeat gets its shard, every shard the progress and the absences of the one it comes from
 * 5. nothing was appended meanwhile: no ingest lives on out of our sight
 *
 * @throws GrowthRefused with the reason, in a sentence
 */
export async function growPartitions(parts: GrowParts, to: number): Promise<Growth> {
  const { dataSource, clock } = parts;
  const startedAt = clock.monotonic();
  return dataSource.transaction(async (manager) => {
    const change = await partitioningToChange(manager); // 1
    if (change.outcome === 'in-use') {
      throw new GrowthRefused(`processes of Flatline are connected (${change.by.join(', ')}); stop them first`);
    }
    if (change.outcome === 'unknown')
      throw new GrowthRefused('no process has ever started here: there is nothing to grow');
    const from = change.partitioning;
    if (from.partitions === to) return { outcome: 'already', partitions: to };
    refuseUnlessMultiple(from.partitions, to);
    const spread = await growLocked(manager, parts, from, { partitions: to, generation: from.generation + 1 });
    return { outcome: 'grown', partitions: to, ...spread, tookMs: clock.monotonic() - startedAt };
  });
}

async function growLocked(
  manager: EntityManager,
  { log, clock, stillForMs = STILL_FOR_MS }: GrowParts,
  from: Partitioning,
  to: Partitioning,
): Promise<{ heartbeats: number; moved: number }> {
  const [old, grown] = [inGeneration(log, from.generation), inGeneration(log, to.generation)];
  const ends = await endsOf(old, from.partitions);
  const stillSince = clock.monotonic();
  const unread = await unreadRecord(manager, ends); // 2
  if (unread !== null) throw new GrowthRefused(unread);

  await grown.ensureTopics(TOPICS.map((topic) => ({ ...topic, partitions: to.partitions }))); // 3
  const fresh = await endsOf(grown, to.partitions);
  if ([...fresh.values()].some((topic) => topic.some((end) => end > 0))) {
    throw new GrowthRefused(
      `the topics of generation ${to.generation} hold records already; delete these topics first`,
    );
  }

  const spread = await spreadHeartbeats(manager, to.partitions); // 4
  await spreadProgress(manager, from.partitions, to.partitions, grown.identity());
  await recordPartitioning(manager, to, grown.identity());

  await sleep(Math.max(0, stillSince + stillForMs - clock.monotonic())); // 5
  if (!sameEnds(ends, await endsOf(old, from.partitions))) {
    throw new GrowthRefused('somebody still appends to the event log; stop every ingest first');
  }
  return spread;
}

/**
 * Every new shard comes from exactly one old shard when the numbers divide: what is known of the old one (how far it was
 * watched, when nobody could reach us) is then true of the new one. Otherwise it would be a guess.
 */
function refuseUnlessMultiple(from: number, to: number): void {
  if (to > from && to % from === 0 && to <= MOST_PARTITIONS) return;
  const factors = [2, 4, 8].filter((factor) => from * factor <= MOST_PARTITIONS).map((factor) => from * factor);
  if (factors.length === 0)
    throw new GrowthRefused(`there are ${from} partitions, and more than that are not possible`);
  throw new GrowthRefused(
    `there are ${from} partitions; grow to a multiple of that, for example ${factors.join(', ')}`,
  );
}
