/**
 * The catalogue of topics: the one place that names them. Records of one heartbeat go to the partition of its shard
 * (`shardOf` of the domain library), so that everything about a heartbeat stays in order.
 *
 * `retentionMs` is the least time a record is kept after it was appended, read or not. `groups` are the consumer groups
 * that read the topic, each known by its name for ever.
 */
export interface TopicSpec {
  readonly name: string;
  readonly retentionMs: number;
  readonly groups: readonly string[];
}

const HOUR_MS = 3_600_000;

/** Pings of jobs and pulses of ingests. */
export const PINGS_TOPIC = 'flatline.pings.v1';
/** Definitions of heartbeats, newest version last. */
export const HEARTBEATS_TOPIC = 'flatline.heartbeats.v1';
/** Incidents that opened and incidents that resolved. */
export const INCIDENTS_TOPIC = 'flatline.incidents.v1';

/** Times in which jobs could not reach us, for whoever shows them; no service of ours reads it. */
export const ABSENCES_TOPIC = 'flatline.absences.v1';

/** The consumer group whose position in the pings topic says what has been applied. */
export const DEADLINE_SCHEDULER_GROUP = 'deadline-scheduler';
/** The consumer group that turns incidents into notifications. */
export const NOTIFIER_GROUP = 'notifier';

export const TOPICS: readonly TopicSpec[] = [
  { name: PINGS_TOPIC, retentionMs: HOUR_MS, groups: [DEADLINE_SCHEDULER_GROUP] },
  { name: HEARTBEATS_TOPIC, retentionMs: HOUR_MS, groups: [DEADLINE_SCHEDULER_GROUP] },
  { name: INCIDENTS_TOPIC, retentionMs: 24 * HOUR_MS, groups: [NOTIFIER_GROUP] },
  { name: ABSENCES_TOPIC, retentionMs: 24 * HOUR_MS, groups: [] },
];

/**
 * What a topic of the catalogue is called in the log. The number of partitions of a topic never changes; growing makes
 * the next generation of all topics, and only the log knows them by these names (docs/adr/0017-growing-partitions.md).
 *
 * @param generation from 1; the first has no suffix
 */
export function topicInGeneration(name: string, generation: number): string {
  return generation === 1 ? name : `${name}.g${generation}`;
}
