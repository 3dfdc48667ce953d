import type { BackendFactory, ConnectionOptions } from 'bullmq';

import { leaveNothing, secondJobId, WAKE_JOB_NAME } from '../timer-store';
import type { Armed, JobQueue, TimerStore } from '../timer-store';
import type { TimersClock, WakeEntry } from '../wake-queue';
import { Doorbell } from './doorbell';
import { OneAtATime } from './one-at-a-time';
import { PostgresWakeBackend } from './postgres-wake-backend';
import { SharedConnection } from './shared-connection';

const ANSWER_WITHIN_MS = 1_800;

/**
 * Moves delayed jobs with BullMQ's own change_delay, many in one transaction (one commit, one notification). Rows that
 * someone else holds are skipped, not waited for: a claim locks many rows in another order. The state is looked at after
 * the lock, and outside, so that the only index that fits is the primary key. Answers the state found, null for none.
 */
const MOVE = `
  WITH held AS MATERIALIZED (
    SELECT w.id, w.at, mine.state
      FROM unnest($2::text[], $3::bigint[]) AS w(id, at)
      CROSS JOIN LATERAL (
        SELECT j.state FROM job AS j WHERE j.queue = $1 AND j.id = w.id FOR UPDATE SKIP LOCKED) AS mine)
  SELECT id, CASE WHEN state = 'delayed' THEN change_delay($1, id, at - $4::bigint, $4::bigint) END = 0 AS moved FROM held`;

/** BullMQ's add_job for each; its bulk function creates and drops two temporary tables per call. */
const ADD = `
  SELECT add_job($1, a.job_id, $2, a.data, $3::jsonb, 0, greatest(a.at - $4::bigint, 0), $4::bigint, 1,
                 NULL, NULL, NULL, NULL, NULL, false)
    FROM unnest($5::text[], $6::bigint[], $7::jsonb[]) AS a(job_id, at, data)`;

const FIND = `SELECT id, state, process_at_ms FROM job WHERE queue = $1 AND id = ANY ($2::text[])`;

/** A field of BullMQ's metadata of the queue. */
const GET_MARK = `SELECT value FROM meta WHERE queue = $1 AND field = 'flatline'`;
const SET_MARK = `
  INSERT INTO meta (queue, field, value) VALUES ($1, 'flatline', $2)
  ON CONFLICT (queue, field) DO UPDATE SET value = excluded.value RETURNING value`;
const REPLACE_MARK = `UPDATE meta SET value = $2 WHERE queue = $1 AND field = 'flatline' AND value = $3 RETURNING value`;

const DISARM = `SELECT remove($1, u.id, false) FROM unnest($2::text[]) AS u(id)`;

/** BullMQ's Postgres backend in a schema of its own. */
export class PostgresTimerStore implements TimerStore {
  readonly connection: ConnectionOptions = {};
  readonly backendFactory: BackendFactory;
  private readonly shared: SharedConnection;
  private readonly looks = new OneAtATime();
  private readonly workers = new Map<string, PostgresWakeBackend>();
  private readonly listeners: ((error: Error) => void)[] = [];
  private asking: Promise<string | null> | undefined;

  constructor(private readonly parts: { databaseUrl: string; clock: TimersClock }) {
    this.shared = new SharedConnection(parts.databaseUrl);
    this.shared.on('error', (error: Error & { client?: unknown }) => {
      delete error.client; // the pool adds it, with the key by which anybody may cancel its queries
      for (const listener of this.listeners) listener(error);
    });
    const doorbell = new Doorbell(this.shared);
    const { looks } = this;
    this.backendFactory = (name, opts, { withBlockingConnection } = {}) => {
      const backend = new PostgresWakeBackend(
        { connection: this.shared, doorbell, clock: parts.clock, looks },
        name,
        opts as never,
      );
      if (withBlockingConnection) this.workers.set(name, backend);
      return backend;
    };
  }

  async arm(queue: JobQueue, entries: readonly WakeEntry[], nowMs: number): Promise<Armed> {
    // 1. Move what lies there.
    const held = await this.ask<{ id: string; moved: boolean | null }>(MOVE, [
      queue.name,
      entries.map(({ id }) => id),
      entries.map(({ at }) => at),
      nowMs,
    ]);
    const movedIds = new Set(held.filter((row) => row.moved).map((row) => row.id));
    const rest = entries.filter(({ id }) => !movedIds.has(id));
    if (rest.length === 0) return { moved: movedIds.size, added: 0, doubled: 0 };
    // 2. Add what does not; under a second id where the first is taken by a job that can no longer be moved.
    const found = await this.find(queue.name, rest);
    const absent = rest.filter(({ id }) => !found.has(id));
    await this.add(queue.name, absent, nowMs, 'first');
    // 3. An add under an id that came up in between was swallowed: that entry gets a second job too.
    const future = absent.filter(({ at }) => at > nowMs);
    const lying = await this.find(queue.name, future);
    const swallowed = future.filter(({ id, at }) => lying.get(id) !== at);
    const second = [...rest.filter(({ id }) => found.has(id)), ...swallowed];
    await this.add(queue.name, second, nowMs, 'second');
    return { moved: movedIds.size, added: absent.length - swallowed.length, doubled: second.length };
  }

  async addAbsent(queue: JobQueue, entries: readonly WakeEntry[], nowMs: number): Promise<number> {
    const found = await this.find(queue.name, entries);
    const absent = entries.filter(({ id }) => !found.has(id));
    await this.add(queue.name, absent, nowMs, 'first');
    return absent.length;
  }

  async mark(queue: JobQueue): Promise<string | null> {
    const [row] = await this.looks.run(() => this.ask<{ value: string }>(GET_MARK, [queue.name]));
    return row?.value ?? null;
  }

  async setMark(queue: JobQueue, mark: string, expected?: string): Promise<boolean> {
    const written =
      expected === undefined
        ? await this.ask(SET_MARK, [queue.name, mark])
        : await this.ask(REPLACE_MARK, [queue.name, mark, expected]);
    return written.length > 0;
  }

  async disarm(queue: JobQueue, ids: readonly string[]): Promise<void> {
    for (let from = 0; from < ids.length; from += 500)
      await this.ask(DISARM, [queue.name, ids.slice(from, from + 500)]);
  }

  /** Many queues ask at the same time; one question answers all of them. */
  missing(): Promise<string | null> {
    return (this.asking ??= this.askWhetherItAnswers().finally(() => (this.asking = undefined)));
  }

  lastLookAgoMs(queueName: string): number | null {
    const atMs = this.workers.get(queueName)?.lastLookAtMs;
    return atMs === undefined ? Infinity : this.parts.clock.monotonic() - atMs;
  }

  onError(listener: (error: Error) => void): void {
    this.listeners.push(listener);
  }

  async close(graceMs: number): Promise<void> {
    const closed = this.shared.close().catch((error: Error) => this.listeners.forEach((listener) => listener(error)));
    const cut = setTimeout(() => this.shared.cut(), graceMs);
    let giveUp: NodeJS.Timeout | undefined;
    await Promise.race([closed, new Promise((resolve) => (giveUp = setTimeout(resolve, graceMs + 100)))]);
    clearTimeout(giveUp);
    void closed.then(() => clearTimeout(cut));
  }

  private async askWhetherItAnswers(): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve('Postgres does not answer the timers'), ANSWER_WITHIN_MS);
    });
    const answer = this.ask('SELECT 1', []).then(
      () => null,
      (error: Error) =>
        `the timers cannot use Postgres: ${error.message || String((error as { code?: unknown }).code)}`,
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async add(
    queueName: string,
    entries: readonly WakeEntry[],
    nowMs: number,
    job: 'first' | 'second',
  ): Promise<void> {
    if (entries.length === 0) return;
    await this.ask(ADD, [
      queueName,
      WAKE_JOB_NAME,
      JSON.stringify(leaveNothing),
      nowMs,
      entries.map((entry) => (job === 'first' ? entry.id : secondJobId(entry))),
      entries.map(({ at }) => at),
      entries.map(({ id }) => (job === 'first' ? '{}' : JSON.stringify({ id }))),
    ]);
  }

  /** The jobs that exist under these ids, each with the instant it is delayed to; null when it is not delayed any more. */
  private async find(queueName: string, entries: readonly WakeEntry[]): Promise<Map<string, number | null>> {
    if (entries.length === 0) return new Map();
    const rows = await this.ask<{ id: string; state: string; process_at_ms: string | null }>(FIND, [
      queueName,
      entries.map(({ id }) => id),
    ]);
    return new Map(rows.map((row) => [row.id, row.state === 'delayed' ? Number(row.process_at_ms) : null]));
  }

  private async ask<R>(sql: string, values: unknown[]): Promise<R[]> {
    await this.shared.waitUntilReady();
    if (this.shared.isClosing) throw new Error('the connection of the timers is closed');
    return (await this.shared.pool.query<R>(sql, values)).rows;
  }
}
