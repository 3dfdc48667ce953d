import type { DataSource, EntityManager } from 'typeorm';
import { createHash } from 'node:crypto';

/** One event on its way to the log. `key` is the heartbeat id: events of one key keep their order. */
export interface OutboxEvent {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly payload: Buffer;
  /** Where it belongs in a trace. */
  readonly traceparent?: string | null;
}

/** Slots divide the outbox among relays; all events of a key lie in one slot. */
export const OUTBOX_SLOTS = 16;

/** The channel on which a commit that wrote to the outbox wakes the relay. */
export const OUTBOX_NOTIFICATION = 'flatline_outbox';

/**
 * Writes events into the outbox, inside the transaction that made them true: they are published if and only if it
 * commits. Writers of one key must hold a row lock of that key, so that `seq` follows the order of commits.
 */
export async function enqueue(manager: EntityManager, events: readonly OutboxEvent[]): Promise<void> {
  if (events.length === 0) return;
  await manager.query(
    `WITH added AS (
       INSERT INTO outbox (id, topic, key, slot, payload, traceparent)
       SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[]) RETURNING 1
     )
     SELECT pg_notify('${OUTBOX_NOTIFICATION}', '') FROM added LIMIT 1`,
    [
      events.map((event) => event.id),
      events.map((event) => event.topic),
      events.map((event) => event.key),
      events.map((event) => slotOf(event.key)),
      events.map((event) => event.payload.toString('utf8')),
      events.map((event) => event.traceparent ?? null),
    ],
  );
}

function slotOf(key: string): number {
  return createHash('sha256').update(key).digest().readUInt8(31) % OUTBOX_SLOTS;
}

/** Age of the oldest event that waits to be published, in seconds by the clock of Postgres; 0 when none does. */
export async function oldestOutboxSeconds(dataSource: DataSource): Promise<number> {
  const [row] = await dataSource.query<{ seconds: number }[]>(
    `SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 AS seconds FROM outbox ORDER BY seq LIMIT 1`,
  );
  return Math.max(0, row?.seconds ?? 0);
}
