import type { LogWriter } from '../event-log';
import { Connection, sqlState } from './connection';
import { lockKey } from './log-session';
import type { SharedConnection } from './shared-connection';

export interface MaintenanceOptions {
  readonly url: string;
  /** A segment with records is sealed at this age, ms. */
  readonly segmentMaxAgeMs: number;
  /** ... or this size, bytes. Looked at every `everyMs`, so a busy one ends up somewhat larger. */
  readonly segmentMaxBytes: number;
  /** How often is looked, ms. */
  readonly everyMs: number;
}

const ONE_PROCESS_KEY = lockKey('maintenance');
/** A segment somebody still reads is dropped in a later round instead of making its readers queue. */
const LOCK_TIMEOUT = '500ms';
const LOCK_NOT_AVAILABLE = '55P03';

const SEGMENTS_TO_SEAL = `
  SELECT s.topic_id FROM flatline_log.log_segment s
  WHERE s.sealed_at IS NULL
    AND (s.opened_at < clock_timestamp() - make_interval(secs => $1::float8 / 1000)
      OR pg_total_relation_size(format('flatline_log.%I', 'segment_' || s.segment_id)::regclass) > $2::bigint)
    AND EXISTS (
      SELECT FROM flatline_log.log_segment_range r
      JOIN flatline_log.log_partition p ON p.topic_id = s.topic_id AND p.partition = r.partition
      WHERE r.segment_id = s.segment_id AND p.next_offset > r.start_offset)
  ORDER BY s.topic_id`;

/**
 * Sealed longer ago than the retention, and passed in every partition by every group. In the order of the segments, up
 * to the first that has to stay: the log begins at one place per partition.
 */
const SEGMENTS_TO_DROP = `
  WITH bounded AS (
    SELECT s.topic_id, s.segment_id, s.sealed_at, r.partition,
      lead(r.start_offset) OVER (PARTITION BY s.topic_id, r.partition ORDER BY s.segment_id) AS end_offset
    FROM flatline_log.log_segment s JOIN flatline_log.log_segment_range r USING (segment_id)
  ), judged AS (
    SELECT b.topic_id, b.segment_id, bool_and(
      b.sealed_at < clock_timestamp() - make_interval(secs => t.retention_ms::float8 / 1000)
      AND b.end_offset IS NOT NULL
      AND NOT EXISTS (
        SELECT FROM flatline_log.log_consumer c
        WHERE c.topic_id = b.topic_id AND c.partition = b.partition AND c.next_offset < b.end_offset)) AS droppable
    FROM bounded b JOIN flatline_log.log_topic t USING (topic_id)
    GROUP BY b.topic_id, b.segment_id
  )
  SELECT topic_id, segment_id FROM (
    SELECT topic_id, segment_id, coalesce(bool_and(droppable) OVER (PARTITION BY topic_id ORDER BY segment_id), false) AS drop
    FROM judged) AS ordered
  WHERE drop ORDER BY segment_id`;

/** Identities of producers without an exclusive id that ended without closing. The lock shows the ones in use. */
const SWEEP_PRODUCERS = `
  DELETE FROM flatline_log.log_producer
  WHERE NOT exclusive AND opened_at < clock_timestamp() - interval '1 day'
    AND pg_try_advisory_xact_lock(hashtextextended(producer_id, 0))`;

/**
 * Keeps the log from growing for ever: seals segments by age or size and drops those everybody is done with. Every
 * process looks; one at a time acts, on a connection of its own that lives as long as the work.
 */
export class LogMaintenance {
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();
  private closed = false;
  private rounds = 0;

  constructor(
    private readonly options: MaintenanceOptions,
    private readonly shared: SharedConnection,
    private readonly logger: LogWriter,
  ) {}

  start(): void {
    this.timer = setTimeout(() => {
      this.running = this.runOnce()
        .catch((error: unknown) => this.logger.warn({ err: error }, 'the maintenance of the event log will try again'))
        .finally(() => {
          if (!this.closed) this.start();
        });
    }, this.options.everyMs);
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.timer) clearTimeout(this.timer);
    await this.running;
  }

  /** Seals and drops what is due now. Nothing when another process is at it. */
  async runOnce(): Promise<void> {
    const limits = [this.options.segmentMaxAgeMs, this.options.segmentMaxBytes];
    const toSeal = await this.shared.query(SEGMENTS_TO_SEAL, limits);
    const toDrop = await this.shared.query(SEGMENTS_TO_DROP);
    if (this.rounds++ % 100 === 0) await this.shared.query(SWEEP_PRODUCERS);
    if (toSeal.length === 0 && toDrop.length === 0) return;
    const connection = await Connection.open({
      url: this.options.url,
      applicationName: 'flatline-log maintenance',
      timeoutMs: 3_000,
    });
    try {
      await connection.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
      const locked = await connection.query('SELECT pg_try_advisory_lock($1)', [ONE_PROCESS_KEY]);
      if (locked[0]?.[0] !== true) return;
      // Looked up again: another process may have been at it until now.
      for (const [topicId] of await connection.query(SEGMENTS_TO_SEAL, limits)) {
        await connection.query('SELECT flatline_log.open_segment($1)', [topicId]);
        this.logger.info({ topicId }, 'a segment of the event log was sealed');
      }
      const inUse = new Set<unknown>();
      for (const [topicId, segmentId] of await connection.query(SEGMENTS_TO_DROP)) {
        // After one that has to wait the later ones of its topic wait too, or the log would have a hole.
        if (!inUse.has(topicId) && !(await this.drop(connection, Number(segmentId)))) inUse.add(topicId);
      }
    } finally {
      await connection.close();
    }
  }

  /** False when somebody still reads it. */
  private async drop(connection: Connection, segmentId: number): Promise<boolean> {
    try {
      await connection.query(`BEGIN; DELETE FROM flatline_log.log_segment WHERE segment_id = ${segmentId};
        DROP TABLE flatline_log.segment_${segmentId}; COMMIT`);
    } catch (error) {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
      await connection.query('ROLLBACK');
      return false;
    }
    this.logger.info({ segmentId }, 'a segment of the event log was dropped');
    return true;
  }
}
