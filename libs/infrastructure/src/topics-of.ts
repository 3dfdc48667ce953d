import type { LogTopicSpec } from '@flatline/event-log';
import { TOPICS } from '@flatline/events';
import type { FlatlineConfig } from '@flatline/service-kernel';

const HOUR_MS = 3_600_000;

/**
 * The catalogue's topics as an installation has them. The log in Postgres keeps what nobody has read; Kafka does not wait
 * for readers, so there everything is kept for as long as those may be away.
 */
export function topicsOf(
  { KAFKA_BROKERS, KAFKA_RETENTION_HOURS }: Pick<FlatlineConfig, 'KAFKA_BROKERS' | 'KAFKA_RETENTION_HOURS'>,
  partitions: number,
): LogTopicSpec[] {
  const atLeastMs = KAFKA_BROKERS ? KAFKA_RETENTION_HOURS * HOUR_MS : 0;
  return TOPICS.map(({ name, retentionMs }) => ({ name, partitions, retentionMs: Math.max(retentionMs, atLeastMs) }));
}
