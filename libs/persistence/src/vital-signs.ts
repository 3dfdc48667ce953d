import type { DataSource } from 'typeorm';

/** A consumer's place in a partition, as it was committed last. */
export interface CommittedPosition {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: number;
  /** How far its watermark is behind the clock of Postgres, in s; null for groups without one, or before the first pulse. */
  readonly lagSeconds: number | null;
}

/** How an installation is, as its rows say it, whatever any process believes. */
export interface VitalSigns {
  readonly positions: readonly CommittedPosition[];
  /** Age of the oldest event that waits to be published, in s; 0 when none does. */
  readonly outboxSeconds: number;
  /** How long the message that is due longest has been due, in s; 0 when none is. What waits for another is not due. */
  readonly overdueSeconds: number;
}

/** Reads all of it in one look, by the clock of Postgres. */
export async function readVitalSigns(dataSource: DataSource): Promise<VitalSigns> {
  const [row] = await dataSource.query<VitalSigns[]>(
    `SELECT
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
           'group', consumer_group, 'topic', topic, 'partition', partition, 'nextOffset', next_offset,
           'lagSeconds', extract(epoch FROM clock_timestamp() - watermark)::float8)), '[]')
        FROM consumer_offset) AS positions,
       (SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(created_at)))::float8 FROM outbox) AS "outboxSeconds",
       (SELECT greatest(0, extract(epoch FROM clock_timestamp() - min(next_attempt_at)))::float8
        FROM notification n
        WHERE status IN ('pending', 'sending') AND next_attempt_at < clock_timestamp() AND NOT EXISTS (
          SELECT 1 FROM notification earlier
          WHERE earlier.heartbeat_id = n.heartbeat_id AND earlier.channel_id = n.channel_id AND earlier.seq < n.seq
            AND earlier.status IN ('pending', 'sending'))) AS "overdueSeconds"`,
  );
  if (!row) throw new Error('Postgres answered no row');
  return row;
}
