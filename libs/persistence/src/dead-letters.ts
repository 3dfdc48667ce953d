import { type EntityManager, QueryFailedError } from 'typeorm';
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
      of(({ key }) => key.replaceAll('\u0000', '')), // Postgres keeps no NUL in text
      of(({ value }) => value),
      poison.map(({ reason }) => reason),
      new Date(now),
    ],
  );
}

/** SQLSTATE classes of data that cannot be stored: data exceptions and violated constraints. */
const DATA_CLASSES: readonly string[] = ['22', '23'];

/**
 * The SQLSTATE of a statement that failed because of the values it was given, so that trying again would fail for ever;
 * null for every other error. A lost connection, a deadlock or a full disk (classes 08, 40, 53, 57) must be tried again.
 */
export function refusedDataState(error: unknown): string | null {
  const state = error instanceof QueryFailedError ? sqlStateOf(error) : null;
  return state !== null && DATA_CLASSES.includes(state.slice(0, 2)) ? state : null;
}
