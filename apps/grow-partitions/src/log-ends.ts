import type { EventLog } from '@flatline/event-log';
import { TOPICS } from '@flatline/events';
import type { EntityManager } from 'typeorm';

/** Where each partition of each topic of the catalogue ends; the index is the partition. */
export type LogEnds = ReadonlyMap<string, readonly number[]>;

export async function endsOf(log: EventLog, partitions: number): Promise<LogEnds> {
  const ends = new Map<string, number[]>();
  for (const { name } of TOPICS) {
    const bounds = await Promise.all(Array.from({ length: partitions }, (_, partition) => log.bounds(name, partition)));
    ends.set(
      name,
      bounds.map(({ end }) => end),
    );
  }
  return ends;
}

export function sameEnds(before: LogEnds, after: LogEnds): boolean {
  return [...before].every(([topic, ends]) => ends.every((end, partition) => after.get(topic)?.[partition] === end));
}

/** A sentence about the first partition that a group of consumers has not read to its end, or null. */
export async function unreadRecord(manager: EntityManager, ends: LogEnds): Promise<string | null> {
  const rows = await manager.query<{ consumer_group: string; topic: string; partition: number; next_offset: string }[]>(
    'SELECT consumer_group, topic, partition, next_offset FROM consumer_offset',
  );
  const positions = new Map(
    rows.map((row) => [`${row.consumer_group} ${row.topic} ${row.partition}`, Number(row.next_offset)]),
  );
  for (const { name, groups } of TOPICS) {
    for (const group of groups) {
      for (const [partition, end] of (ends.get(name) ?? []).entries()) {
        const unread = end - (positions.get(`${group} ${name} ${partition}`) ?? 0);
        if (unread > 0) {
          return (
            `${unread} records of ${name}, partition ${partition}, have not been read by ${group}; ` +
            `run a ${group} without any ingest until it has read them`
          );
        }
      }
    }
  }
  return null;
}
