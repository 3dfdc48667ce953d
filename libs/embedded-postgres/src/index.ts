export * from './errors';
export { type DataDirectoryLock, lockDataDirectory } from './data-directory-lock';
export { claimEventLog, type EventLogPlace, OtherEventLog } from './event-log-claim';
export { readOrCreatePrivateFile } from './private-file';
export { type PostgresSettings } from './settings';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresExit,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './start-embedded-postgres';
export { tokenKeysOf } from './token-key-file';
