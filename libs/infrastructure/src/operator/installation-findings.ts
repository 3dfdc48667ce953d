import { DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, TOPICS } from '@flatline/events';
import type { VitalSigns } from '@flatline/persistence';
import type { Finding, StandingCondition } from '@flatline/service-kernel';

/** One partition as one group reads it, of all that an installation has. */
export interface Reading {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

/** Who reads what in an installation of so many partitions; the shards of the scheduler are told by their watermarks. */
export function readingsOf(partitions: number): Reading[] {
  return TOPICS.filter(({ name }) => name !== PINGS_TOPIC).flatMap(({ name: topic, groups }) =>
    groups.flatMap((group) => Array.from({ length: partitions }, (_, partition) => ({ group, topic, partition }))),
  );
}

/** A reading that has records before it and has not moved, for so many seconds as this process saw it. */
export interface StoodReading extends Reading {
  readonly seconds: number;
}

/** A watermark that is further behind than this, in s: deadlines wait. In normal times it is below one. */
const LAG_SECONDS = 5;
/** An event that waits longer than this, in s: in normal times it waits some milliseconds. */
const OUTBOX_SECONDS = 5;
/** A message that is due for longer than this, in s: the sweep takes up to 30 s to find what the timers forgot. */
const OVERDUE_SECONDS = 35;
/** A reader that stands for this long, in s, though there is something to read. */
const STOOD_SECONDS = 30;
/** A sentence names this many shards, and how many more there are. */
const NAMED = 3;

/**
 * What is wrong on the way from a ping to a message, by facts alone. Empty when pings are applied, deadlines judged,
 * events published and messages delivered.
 *
 * @param stood readings that have something to read and do not move; see {@link StoodReading}
 * @param now epoch ms, to date what the facts give as an age
 */
export function installationFindings(
  vitals: VitalSigns,
  { partitions, stood, now }: { partitions: number; stood: readonly StoodReading[]; now: number },
): Finding<StandingCondition>[] {
  return [
    ...unreadShards(vitals, partitions),
    ...laggingShards(vitals, partitions, now),
    ...stoodReadings(stood, now),
    ...lateOutbox(vitals.outboxSeconds, now),
    ...lateDeliveries(vitals.overdueSeconds, now),
  ];
}

function lagByShard({ positions }: VitalSigns, partitions: number): Map<number, number | null> {
  const ofScheduler = positions.filter(
    ({ group, topic, partition }) =>
      group === DEADLINE_SCHEDULER_GROUP && topic === PINGS_TOPIC && partition < partitions,
  );
  return new Map(ofScheduler.map(({ partition, lagSeconds }) => [partition, lagSeconds]));
}

function unreadShards(vitals: VitalSigns, partitions: number): Finding<'watermark_stalled'>[] {
  const lags = lagByShard(vitals, partitions);
  const unread = Array.from({ length: partitions }, (_, shard) => shard).filter((shard) => lags.get(shard) == null);
  if (unread.length === 0) return [];
  return [{ condition: 'watermark_stalled', sentence: `no pulse was ever read in ${named('shard', unread)}` }];
}

function laggingShards(vitals: VitalSigns, partitions: number, now: number): Finding<'watermark_stalled'>[] {
  const lagging = [...lagByShard(vitals, partitions)]
    .flatMap(([shard, lag]) => (lag !== null && lag > LAG_SECONDS ? [{ shard, lag }] : []))
    .sort((a, b) => b.lag - a.lag);
  const worst = lagging[0];
  if (!worst) return [];
  const shards = named(
    'shard',
    lagging.map(({ shard }) => shard),
  );
  const sentence = `the watermark of ${shards} is ${Math.round(worst.lag)} s behind; deadlines wait for it`;
  return [{ condition: 'watermark_stalled', sentence, sinceAt: now - worst.lag * 1_000 }];
}

function stoodReadings(stood: readonly StoodReading[], now: number): Finding<'consumer_stopped'>[] {
  const long = stood.filter(({ seconds }) => seconds >= STOOD_SECONDS);
  const readers = [...new Set(long.map(({ group, topic }) => `${topic} by ${group}`))];
  return readers.map((reader) => {
    const ofReader = long.filter(({ group, topic }) => `${topic} by ${group}` === reader);
    const seconds = Math.max(...ofReader.map((each) => each.seconds));
    const partitions = named(
      'partition',
      ofReader.map(({ partition }) => partition),
    );
    return {
      condition: 'consumer_stopped',
      sentence: `${partitions} of ${reader} has not been read for ${Math.round(seconds)} s, though there is something to read`,
      sinceAt: now - seconds * 1_000,
    };
  });
}

function lateOutbox(seconds: number, now: number): Finding<'outbox_stuck'>[] {
  if (seconds <= OUTBOX_SECONDS) return [];
  const sentence = `the oldest event has waited ${Math.round(seconds)} s to be published`;
  return [{ condition: 'outbox_stuck', sentence, sinceAt: now - seconds * 1_000 }];
}

function lateDeliveries(seconds: number, now: number): Finding<'deliveries_overdue'>[] {
  if (seconds <= OVERDUE_SECONDS) return [];
  const sentence = `a message to somebody has been due for ${Math.round(seconds)} s`;
  return [{ condition: 'deliveries_overdue', sentence, sinceAt: now - seconds * 1_000 }];
}

function named(noun: string, numbers: readonly number[]): string {
  const first = numbers.slice(0, NAMED).join(', ');
  const more = numbers.length > NAMED ? ` and ${numbers.length - NAMED} more` : '';
  return `${noun}${numbers.length === 1 ? '' : 's'} ${first}${more}`;
}
