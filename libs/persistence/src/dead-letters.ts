import { UnusableSchedule } from '@flatline/domain';
import { type DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { sqlStateOf } from './sql-state';

/** A record of the event log, as far as it is put aside. */
export interface DeadRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: Buffer;
}

/** A record that cannot be processed, and why. It harms nobody else. */
export interface PoisonRecord<Kept extends DeadRecord = DeadRecord> {
  readonly record: Kept;
  readonly reason: string;
}

/** A row of ours that is put aside because it cannot be used. */
export interface DeadRow {
  /** The table. */
  readonly source: 'heartbeat_runtime';
  /** The id of the heartbeat. */
  readonly key: string;
  /** The row as JSON. */
  readonly row: string;
  readonly reason: string;
}

/** Puts records aside with their bytes, their place and the reason, in the transaction that moves past them. */
export async function bury(manager: EntityManager, poison: readonly PoisonRecord[], now: number): Promise<void> {
  if (poison.length === 0) return;
  const of = <Value>(value: (record: DeadRecord) => Value): Value[] => poison.map(({ record }) => value(record));
  await manager.query(
    `INSERT INTO dead_letter (id, source, topic, partition, log_offset, key, payload, reason, created_at)
     SELECT id, 'log', topic, partition, log_offset, key, payload, reason, $8
     FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::bytea[], $7::text[])
       AS poison (id, topic, partition, log_offset, key, payload, reason)`,
    [
      poison.map(() => uuidv7()),
      of(({ topic }) => topic),
      of(({ partition }) => partition),
      of(({ offset }) => offset),
      of(({ key }) => storable(key)),
      of(({ value }) => value),
      poison.map(({ reason }) => storable(reason)),
      new Date(now),
    ],
  );
}

/** Puts rows aside, in the transaction that goes on without them. */
export async function buryRows(manager: EntityManager, rows: readonly DeadRow[], now: number): Promise<void> {
  if (rows.length === 0) return;
  await manager.query(
    `INSERT INTO dead_letter (id, source, key, payload, reason, created_at)
     SELECT id, source, key, convert_to(row_json, 'UTF8'), reason, $6
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS dead (id, source, key, row_json, reason)`,
    [
      rows.map(() => uuidv7()),
      rows.map(({ source }) => source),
      rows.map(({ key }) => key),
      rows.map(({ row }) => row),
      rows.map(({ reason }) => storable(reason)),
      new Date(now),
    ],
  );
}

/** Postgres keeps no NUL in text, and what is put aside must not be refused for that. */
function storable(text: string): string {
  return text.replaceAll('\u0000', '');
}

/** How many letters lie there, by source. */
export async function deadLetterCounts(dataSource: DataSource): Promise<ReadonlyMap<string, number>> {
  const rows = await dataSource.query<{ source: string; count: number }[]>(
    'SELECT source, count(*)::int AS count FROM dead_letter GROUP BY source',
  );
  return new Map(rows.map(({ source, count }) => [source, count]));
}

/**
 * SQLSTATE classes of data that cannot be stored: more rows than a statement can take (21), data exceptions (22) and
 * violated constraints (23).
 */
const DATA_CLASSES: readonly string[] = ['21', '22', '23'];

/**
 * The SQLSTATE of a statement that failed because of the values it was given, so that trying again would fail for ever;
 * null for every other error. A lost connection, a deadlock or a full disk (classes 08, 40, 53, 57) must be tried again.
 */
export function refusedDataState(error: unknown): string | null {
  const state = error instanceof QueryFailedError ? sqlStateOf(error) : null;
  return state !== null && DATA_CLASSES.includes(state.slice(0, 2)) ? state : null;
}

/**
 * Whether an error is the fault of what was processed, so that trying again would fail for ever and stop everybody
 * behind it. Only what is known to be so counts: setting pings aside for a passing trouble would lose them.
 */
export function isPoison(error: unknown): boolean {
  return (
    refusedDataState(error) !== null ||
    error instanceof UnusableSchedule ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof SyntaxError
  );
}

/** One line about an error for the dead letters, without the values it was about. */
export function reasonOf(error: unknown): string {
  const state = refusedDataState(error);
  if (state !== null) return `refused by the database (SQLSTATE ${state})`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Why a heartbeat is not judged, for whoever owns it: nothing of our code, and nothing of the data. */
export function misfitOf(error: unknown): string {
  if (error instanceof UnusableSchedule) return error.message;
  if (refusedDataState(error) !== null) return reasonOf(error);
  return `its data cannot be used (${error instanceof Error ? error.name : 'unknown'})`;
}
