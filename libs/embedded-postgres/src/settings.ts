/** Postgres settings by name; see https://www.postgresql.org/docs/18/runtime-config.html. */
export type PostgresSettings = Record<string, string | number>;

/**
 * A server for one process on a small machine: durable, for many small commits, reachable from this machine alone, and
 * small when idle. Measured at idle, without connections: 43 MB resident in 5 processes (20 MB counting shared pages
 * once); the defaults of Postgres take 74 MB in 9.
 */
export const DEFAULT_SETTINGS: PostgresSettings = {
  // Promises: an acknowledged commit survives a power cut.
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  // On macOS the default does not empty the disk's cache.
  ...(process.platform === 'darwin' ? { wal_sync_method: 'fsync_writethrough' } : {}),

  // Reachable by us alone: loopback and a password.
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 60,

  // Small.
  shared_buffers: '64MB',
  huge_pages: 'off',
  io_method: 'sync',
  max_worker_processes: 0,
  max_parallel_workers: 0,
  max_parallel_workers_per_gather: 0,
  max_parallel_maintenance_workers: 0,
  max_logical_replication_workers: 0,
  autovacuum_worker_slots: 2,
  autovacuum_max_workers: 2,
  jit: 'off',

  // Write-ahead log: nobody replicates from here; the log between two checkpoints is what a crash has to replay.
  wal_level: 'minimal',
  max_wal_senders: 0,
  max_wal_size: '512MB',
  checkpoint_timeout: '5min',

  // Its log is our log: failures of the server itself; what clients do wrong, they are told. No data of theirs.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
  log_line_prefix: '',
  log_timezone: 'UTC',
  timezone: 'UTC',
};
