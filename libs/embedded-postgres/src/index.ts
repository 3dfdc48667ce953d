export * from './errors';
export { type DataDirectoryLock, lockDataDirectory } from './data-directory-lock';
export { readOrCreatePrivateFile } from './private-file';
export { type PostgresSettings } from './settings';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresExit,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './start-embedded-postgres';
