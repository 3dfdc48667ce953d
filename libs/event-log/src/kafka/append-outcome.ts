import type { OutgoingRecord } from '../event-log';
import { BrokerRefusal, KafkaErrorCode } from './kafka-client';

/**
 * What a leader answers before it writes anything. Everything else leaves the question open: a leader that lost its
 * office or whose replicas were too slow has written the records, and they may live on (NOT_LEADER_OR_FOLLOWER,
 * REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS_AFTER_APPEND).
 */
const NOTHING_WRITTEN: ReadonlySet<number> = new Set([
  KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  KafkaErrorCode.MESSAGE_TOO_LARGE,
  KafkaErrorCode.INVALID_TOPIC,
  KafkaErrorCode.RECORD_LIST_TOO_LARGE,
  KafkaErrorCode.NOT_ENOUGH_REPLICAS,
  KafkaErrorCode.TOPIC_AUTHORIZATION_FAILED,
  KafkaErrorCode.CLUSTER_AUTHORIZATION_FAILED,
  KafkaErrorCode.INVALID_RECORD,
]);

/**
 * What an error means for an append that was being sent. A refusal speaks of one partition only: when the append has
 * several, or went in several requests, others of its records may be stored.
 */
export function outcomeOf(error: unknown, records: readonly OutgoingRecord[]): 'rejected' | 'unresolved' {
  const partition = records[0]?.partition;
  const isWhole = records.every((record) => record.partition === partition);
  return error instanceof BrokerRefusal && NOTHING_WRITTEN.has(error.code) && isWhole ? 'rejected' : 'unresolved';
}
