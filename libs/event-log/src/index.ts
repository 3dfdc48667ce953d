export * from './event-log';
export * from './errors';
export * from './topic-generation';
export { LoginRefused } from './kafka/kafka-client';
export { openKafkaEventLog } from './kafka/kafka-event-log';
export type { KafkaEventLogOptions } from './kafka/kafka-event-log';
export { openPostgresEventLog } from './postgres/postgres-event-log';
export type { PostgresEventLogOptions } from './postgres/postgres-event-log';
