export * from './event-log';
export * from './errors';
export { openPostgresEventLog } from './postgres/postgres-event-log';
export type { PostgresEventLogOptions } from './postgres/postgres-event-log';
