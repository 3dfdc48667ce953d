import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from './connection';

/** Key of the advisory lock under which the log's schema and topics change. */
export const SCHEMA_LOCK = 7_302_110_451_001;

/** One file per version, applied in this order, each once. Never edited after a release. */
const MIGRATIONS = ['0001-log.sql', '0002-append-time-is-the-clock.sql'];

/**
 * Brings schema `flatline_log` up to date, in one transaction; processes that start together wait for one another.
 * @throws Error when the schema is newer than this program
 */
export async function migrate(connection: Connection): Promise<void> {
  const timeoutMs = 30_000;
  await connection.query('BEGIN');
  try {
    await connection.query('SELECT pg_advisory_xact_lock($1)', [SCHEMA_LOCK], timeoutMs);
    await connection.query('CREATE SCHEMA IF NOT EXISTS flatline_log');
    await connection.query(`CREATE TABLE IF NOT EXISTS flatline_log.log_migration (
      version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`);
    const rows = await connection.query('SELECT coalesce(max(version), 0) FROM flatline_log.log_migration');
    const current = Number(rows[0]?.[0] ?? 0);
    if (current > MIGRATIONS.length) {
      throw new Error(`the event log has version ${current}, this program knows ${MIGRATIONS.length}`);
    }
    for (let version = current + 1; version <= MIGRATIONS.length; version++) {
      const file = join(__dirname, 'migrations', MIGRATIONS[version - 1] as string);
      await connection.query(await readFile(file, 'utf8'), [], timeoutMs);
      await connection.query('INSERT INTO flatline_log.log_migration (version) VALUES ($1)', [version]);
    }
    await connection.query('COMMIT');
  } catch (error) {
    if (!connection.lost) await connection.query('ROLLBACK');
    throw error;
  }
}
