import { PostgresQueueBackend } from 'bullmq';
import type { JobJson, MinimalJob, QueueBaseOptions } from 'bullmq';

import { leaveNothing, WAKE_JOB_NAME } from '../timer-store';
import type { TimersClock } from '../wake-queue';
import type { Doorbell } from './doorbell';
import type { OneAtATime } from './one-at-a-time';
import type { SharedConnection } from './shared-connection';

/** Jobs claimed or completed in one statement. */
const MAX_BATCH = 100;
/** The longest a worker sleeps without looking, should a notification be lost. */
const MAX_SLEEP_MS = 5_000;
/** Notifications closer together than this are answered by one look, so a stream of moves does not keep the worker busy. */
const LOOK_APART_MS = 50;
/** BullMQ's loop tries again at once after an error; a server that is starting would be asked thousands of times. */
const PAUSE_AFTER_ERROR_MS = 250;

/**
 * Claims up to $2 jobs that are ready: what BullMQ's move_to_active does for one (promote, lock, mark as started), as one
 * statement over many, without limiter, pause and event log, which nobody uses here. 0.02 ms a job instead of 0.2.
 */
const CLAIM = `
  WITH waiting AS MATERIALIZED (
         SELECT id FROM job WHERE queue = $1 AND state = 'waiting'
          ORDER BY priority, seq LIMIT $2::int FOR UPDATE SKIP LOCKED),
       due AS MATERIALIZED (
         SELECT id FROM job WHERE queue = $1 AND state = 'delayed' AND process_at_ms <= $5::bigint
          ORDER BY process_at_ms LIMIT $2::int FOR UPDATE SKIP LOCKED)
  UPDATE job
     SET state = 'active', delay_ms = 0, lock_token = $3, locked_until_ms = $5::bigint + $4::bigint,
         processed_at_ms = $5::bigint, attempts_started = attempts_started + 1
   WHERE queue = $1
     AND id = ANY (ARRAY (SELECT id FROM waiting UNION ALL SELECT id FROM due LIMIT $2::int))
  RETURNING id, data, attempts_made, attempts_started, stalled_count, added_at_ms`;

/**
 * Removes completed jobs, as move_to_completed does with removeOnComplete: only those still held by us; one that another
 * worker took back as stalled is that worker's to complete. Rows that a stalled check holds are skipped, not waited for:
 * it locks many in another order.
 */
const COMPLETE = `
  WITH held AS MATERIALIZED (
    SELECT id FROM job
     WHERE queue = $1 AND id = ANY ($2::text[]) AND state = 'active' AND lock_token = $3
       FOR UPDATE SKIP LOCKED)
  DELETE FROM job WHERE queue = $1 AND id = ANY (ARRAY (SELECT id FROM held)) RETURNING id`;

const COMPLETE_ONE = `DELETE FROM job WHERE queue = $1 AND id = $2 AND state = 'active' AND lock_token = $3`;

const LOOK = `
  SELECT EXISTS (SELECT 1 FROM job WHERE queue = $1 AND state = 'waiting') AS ready,
         (SELECT process_at_ms FROM job WHERE queue = $1 AND state = 'delayed' ORDER BY process_at_ms LIMIT 1) AS next_at`;

interface ClaimedRow {
  id: string;
  data: unknown;
  attempts_made: number;
  attempts_started: number;
  stalled_count: number;
  added_at_ms: string;
}

export interface WakeBackendParts {
  connection: SharedConnection;
  doorbell: Doorbell;
  clock: TimersClock;
  /**
   * Looks, claims and stalled checks of all queues, which tend to come in the same instant: without this, many queues at
   * rest would keep every connection of the pool open.
   */
  looks: OneAtATime;
}

/**
 * BullMQ's Postgres backend, made for many wake-ups in the same instant and for servers that come and go.
 *
 * - Jobs are claimed and completed by the batch (BullMQ's transaction for each costs 0.6 ms).
 * - A worker sleeps until the next due job whatever BullMQ remembers, and looks again every 5 s.
 * - Errors of the wait never reach BullMQ, whose answer to them is to sleep without a look.
 */
export class PostgresWakeBackend extends PostgresQueueBackend {
  /** One lock token for all claims of this worker: a job can be claimed for one slot and handed to another. */
  private token: string | undefined;
  private readonly claimed: ClaimedRow[] = [];
  private completions: { id: string; settle: () => void }[] = [];
  private completing = false;
  private stopped = false;
  private wakeSleeper: (() => void) | undefined;
  private lookedAtMs: number | undefined;

  constructor(
    private readonly parts: WakeBackendParts,
    queueName: string,
    opts: QueueBaseOptions<never>,
  ) {
    super(parts.connection, queueName, opts, false);
  }

  /** Monotonic ms of the last successful look for due jobs. */
  get lastLookAtMs(): number | undefined {
    return this.lookedAtMs;
  }

  override waitUntilReady(): Promise<void> {
    return this.connection.waitUntilReady();
  }

  override get maximumBlockTimeout(): number {
    return MAX_SLEEP_MS / 1000;
  }

  override async moveToActive(token: string): Promise<unknown[]> {
    this.token ??= token;
    if (this.claimed.length === 0) {
      try {
        await this.claim(this.token);
      } catch (error) {
        await this.sleep(PAUSE_AFTER_ERROR_MS);
        throw error;
      }
    }
    // No hint about the next due job: waitForJob asks for itself, always.
    return this.nextClaimed() ?? [null, '', 0, 0];
  }

  override async moveToCompleted<T, R, N extends string>(
    job: MinimalJob<T, R, N>,
    _returnValue: R,
    _keep: unknown,
    _token: string,
    fetchNext: boolean,
  ): Promise<{ result: void | unknown[]; finishedOn: number }> {
    await new Promise<void>((resolve) => {
      this.completions.push({ id: String(job.id), settle: resolve });
      if (!this.completing) void this.complete();
    });
    return { result: fetchNext ? this.nextClaimed() : undefined, finishedOn: this.parts.clock.now() };
  }

  override moveStalledJobsToWait(): Promise<string[]> {
    return this.parts.looks.run(() => super.moveStalledJobsToWait());
  }

  override async extendLocks(ids: string[], _tokens: string[], durationMs: number): Promise<string[]> {
    return super.extendLocks(
      ids,
      ids.map(() => this.token ?? ''),
      durationMs,
    );
  }

  override async waitForJob(blockTimeoutSeconds: number): Promise<{ member: string; score: number } | null> {
    const untilMs = this.parts.clock.monotonic() + Math.min(Math.max(blockTimeoutSeconds * 1000, 0), MAX_SLEEP_MS);
    let rung = false;
    const stopRinging = this.parts.doorbell.onRing(this.queueName, () => {
      rung = true;
      this.wakeSleeper?.();
    });
    try {
      while (!this.stopped) {
        await this.connection.waitUntilReady();
        await this.parts.doorbell.ensureListening();
        rung = false;
        const dueInMs = await this.look();
        const leftMs = untilMs - this.parts.clock.monotonic();
        if (dueInMs <= 0 || leftMs <= 0) break;
        const sleptFromMs = this.parts.clock.monotonic();
        if (!rung) await this.sleep(Math.min(dueInMs, leftMs));
        if (!rung) break;
        const apartMs = LOOK_APART_MS - (this.parts.clock.monotonic() - sleptFromMs);
        if (apartMs > 0 && !this.stopped) await this.rest(Math.min(apartMs, dueInMs));
      }
    } catch (error) {
      this.parts.connection.emit('error', error);
      await this.sleep(PAUSE_AFTER_ERROR_MS);
    } finally {
      stopRinging();
    }
    return null;
  }

  override disconnectBlocking(): Promise<void> {
    this.stopped = true;
    this.wakeSleeper?.();
    return Promise.resolve();
  }

  override reconnectBlocking(): Promise<void> {
    this.stopped = false;
    return Promise.resolve();
  }

  /** Gives back what was claimed and not begun, so that another process wakes it now and not after the lock. */
  override async close(): Promise<void> {
    this.stopped = true;
    this.wakeSleeper?.();
    const given = this.claimed.splice(0);
    for (const { id } of given) await this.moveJobFromActiveToWait(id, this.token);
  }

  private nextClaimed(): unknown[] | undefined {
    const row = this.claimed.shift();
    if (!row) return undefined;
    const json: JobJson = {
      id: row.id,
      name: WAKE_JOB_NAME,
      data: JSON.stringify(row.data ?? {}),
      opts: leaveNothing,
      progress: 0,
      attemptsMade: row.attempts_made,
      attemptsStarted: row.attempts_started,
      stalledCounter: row.stalled_count,
      timestamp: Number(row.added_at_ms),
      stacktrace: '[]',
      failedReason: '',
      returnvalue: 'null',
    } as unknown as JobJson;
    return [json, row.id, 0, 0];
  }

  private async claim(token: string): Promise<void> {
    const { concurrency = 1, lockDuration = 30_000 } = this.opts as { concurrency?: number; lockDuration?: number };
    const { clock, looks } = this.parts;
    const limit = Math.min(concurrency, MAX_BATCH);
    const rows = await looks.run(() =>
      this.ask<ClaimedRow>(CLAIM, [this.queueName, limit, token, lockDuration, clock.now()]),
    );
    this.claimed.push(...rows);
    this.lookedAtMs = this.parts.clock.monotonic();
  }

  /** Completes all that wait for it, batch after batch; one that fails is left to the stalled check, which wakes it again. */
  private async complete(): Promise<void> {
    this.completing = true;
    while (this.completions.length > 0) {
      const batch = this.completions.splice(0, MAX_BATCH);
      const ids = batch.map(({ id }) => id);
      try {
        const done = await this.ask<{ id: string }>(COMPLETE, [this.queueName, ids, this.token]);
        // Skipped because a stalled check was looking at the row just then: alone it can wait without risk of a deadlock.
        const doneIds = new Set(done.map(({ id }) => id));
        for (const id of ids) if (!doneIds.has(id)) await this.completeAlone(id);
      } catch (error) {
        this.parts.connection.emit('error', error);
      }
      for (const { settle } of batch) settle();
    }
    this.completing = false;
  }

  private async completeAlone(id: string): Promise<void> {
    await this.ask(COMPLETE_ONE, [this.queueName, id, this.token]);
  }

  /** Ms until the next job is due; <= 0 when one is ready. */
  private async look(): Promise<number> {
    const [row] = await this.parts.looks.run(() =>
      this.ask<{ ready: boolean; next_at: string | null }>(LOOK, [this.queueName]),
    );
    this.lookedAtMs = this.parts.clock.monotonic();
    if (row?.ready) return 0;
    return row?.next_at == null ? MAX_SLEEP_MS : Number(row.next_at) - this.parts.clock.now();
  }

  private async ask<R>(sql: string, values: unknown[]): Promise<R[]> {
    await this.connection.waitUntilReady();
    return (await this.connection.pool.query<R>(sql, values)).rows;
  }

  /** Ends early when the doorbell rings or the worker stops. */
  private async sleep(ms: number): Promise<void> {
    if (this.stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeSleeper = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeSleeper = undefined;
  }

  /** Ends early only when the worker stops. */
  private async rest(ms: number): Promise<void> {
    const untilMs = this.parts.clock.monotonic() + ms;
    for (let leftMs = ms; leftMs > 0 && !this.stopped; leftMs = untilMs - this.parts.clock.monotonic()) {
      await this.sleep(leftMs);
    }
  }
}
