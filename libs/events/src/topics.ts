/**
 * The catalogue of topics: the one place that names them. Records of one heartbeat go to the partition of its shard
 * (`shardOf` of the domain library), so that everything about a heartbeat stays in order.
 *
 * `retentionMs` is the least time a record is kept after it was appended, read or not.
 */
export interface TopicSpec {
  readonly name: string;
  readonly retentionMs: number;
}

const HOUR_MS = 3_600_000;

/** Pings of jobs and pulses of ingests. */
export const PINGS_TOPIC = 'flatline.pings.v1';
/** Definitions of heartbeats, newest version last. */
export const HEARTBEATS_TOPIC = 'flatline.heartbeats.v1';
/** Incidents that opened and incidents that resolved. */
export const INCIDENTS_TOPIC = 'flatline.incidents.v1';

/** The consumer group whose position in the pings topic says what has been applied. */
export const DEADLINE_SCHEDULER_GROUP = 'deadline-scheduler';

export const TOPICS: readonly TopicSpec[] = [
  { name: PINGS_TOPIC, retentionMs: HOUR_MS },
  { name: HEARTBEATS_TOPIC, retentionMs: HOUR_MS },
  { name: INCIDENTS_TOPIC, retentionMs: 24 * HOUR_MS },
];
