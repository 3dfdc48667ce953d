import type { DataSource } from 'typeorm';
import { CLAIMANT_LOCK_CLASS } from './claimant';
import type { QueuedDelivery } from './delivery-lanes';
import type { NextStep, NotToldReason } from './next-step';

/** What one channel hears of one heartbeat: told in order. */
export interface Story {
  readonly heartbeatId: string;
  readonly channelId: string;
}

/** A notification that is ours for the length of the claim. */
export interface ClaimedNotification extends Story {
  readonly id: string;
  readonly channelKind: string;
  /** As stored; parse before use. */
  readonly facts: unknown;
  /** Settings and secret of a stored channel; null for a configured one. */
  readonly stored: { readonly settings: unknown; readonly secret: string | null } | null;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** Epoch ms. */
  readonly createdAt: number;
  /** Where it belongs in a trace; null where nothing is traced. */
  readonly traceparent: string | null;
}

/** What came of asking for a notification; null when it is not due, not ours or waits for an earlier one. */
export type Claim =
  | { readonly result: 'claimed'; readonly notification: ClaimedNotification }
  | { readonly result: 'suppressed'; readonly story: Story; readonly reason: NotToldReason }
  | null;

export interface AttemptResult {
  readonly id: string;
  readonly attempt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly outcome: string;
  /** Kept in the delivery log; holds nothing confidential. */
  readonly detail: string;
  readonly step: NextStep;
}

interface ClaimRow extends Story {
  readonly id: string;
  readonly status: string;
  readonly reason: NotToldReason | null;
  readonly channelKind: string;
  readonly facts: unknown;
  readonly isStored: boolean;
  readonly settings: unknown;
  readonly secret: string | null;
  readonly attempts: number;
  readonly createdAt: Date;
  readonly traceparent: string | null;
}

export interface DueNotification extends QueuedDelivery {
  readonly dueAt: number;
}

/**
 * The statements of delivery, each for many notifications at once and each a transaction of its own.
 *
 * `next_attempt_at` says when a row is to be looked at next: when it is due, or, while it is claimed, when the claim
 * expires. So one condition finds both what is due and what a dead process left behind.
 */
export class DeliveryStore {
  /**
   * @param claimId names this process in the rows it claims
   * @param configuredIds channels that exist without a row
   */
  constructor(
    private readonly dataSource: DataSource,
    private readonly claimId: string,
    private readonly configuredIds: readonly string[],
  ) {}

  /**
   * Claims what is due, by compare-and-set: of two processes that ask for the same row one gets it.
   *
   * 1. A row is left alone while an earlier one of its heartbeat and channel is unfinished.
   * 2. A claim that expired means that a process died between sending and writing the result down; that attempt enters
   *    the delivery log as interrupted.
   * 3. A recovery whose "down" was never told is suppressed, and so is what was meant for a channel that is gone, and a
   *    "down" of a heartbeat that is. The recovery of one that was told still goes out: it is the last word.
   *
   * @param until when the claim expires, epoch ms
   */
  async claim(ids: readonly string[], now: number, until: number): Promise<Claim[]> {
    const rows = await this.dataSource.query<ClaimRow[]>(
      `WITH due AS (
         SELECT n.id, n.status, n.attempts, n.claimed_until
         FROM notification n
         WHERE n.id = ANY($1::uuid[]) AND n.status IN ('pending', 'sending') AND n.next_attempt_at <= $2
           AND NOT EXISTS (
             SELECT 1 FROM notification earlier
             WHERE earlier.heartbeat_id = n.heartbeat_id AND earlier.channel_id = n.channel_id AND earlier.seq < n.seq
               AND earlier.status IN ('pending', 'sending'))
         FOR UPDATE OF n SKIP LOCKED
       ), interrupted AS (
         INSERT INTO delivery_attempt (notification_id, attempt, started_at, finished_at, outcome, detail)
         SELECT id, attempts, claimed_until, claimed_until, 'interrupted', 'the result was not written down in time'
         FROM due WHERE status = 'sending'
         ON CONFLICT DO NOTHING
       ), judged AS (
         SELECT due.id, c.id IS NOT NULL AS is_stored, c.settings, c.secret,
           CASE
             WHEN n.transition = 'recovered' AND down.status IS DISTINCT FROM 'delivered' THEN 'never_told'
             WHEN c.id IS NULL AND NOT n.channel_id = ANY($5::text[]) THEN 'channel_deleted'
             WHEN n.transition = 'down' AND heartbeat.deleted_at IS NOT NULL THEN 'heartbeat_deleted'
           END AS reason
         FROM due JOIN notification n USING (id)
         LEFT JOIN heartbeat ON heartbeat.id = n.heartbeat_id
         LEFT JOIN notification down
           ON down.incident_id = n.incident_id AND down.channel_id = n.channel_id AND down.transition = 'down'
         LEFT JOIN channel c
           ON c.id = CASE WHEN n.channel_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN n.channel_id::uuid END
           AND c.deleted_at IS NULL
       ), claimed AS (
         UPDATE notification n SET
           status = CASE WHEN judged.reason IS NULL THEN 'sending' ELSE 'suppressed' END,
           reason = judged.reason,
           attempts = n.attempts + CASE WHEN judged.reason IS NULL THEN 1 ELSE 0 END,
           claim_id = CASE WHEN judged.reason IS NULL THEN $4::uuid END,
           claimed_until = CASE WHEN judged.reason IS NULL THEN $3::timestamptz END,
           next_attempt_at = CASE WHEN judged.reason IS NULL THEN $3::timestamptz END,
           finished_at = CASE WHEN judged.reason IS NOT NULL THEN $2::timestamptz END
         FROM judged WHERE n.id = judged.id
         RETURNING n.id, n.heartbeat_id, n.channel_id, n.channel_kind, n.status, n.reason, n.facts, n.attempts,
           n.created_at, n.traceparent, judged.is_stored, judged.settings, judged.secret
       )
       SELECT id, heartbeat_id AS "heartbeatId", channel_id AS "channelId", channel_kind AS "channelKind", status, reason,
         facts, attempts, created_at AS "createdAt", traceparent, is_stored AS "isStored", settings, secret
       FROM claimed`,
      [ids, new Date(now), new Date(until), this.claimId, this.configuredIds],
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => toClaim(byId.get(id)));
  }

  /**
   * Writes down how attempts ended, in the row and in the delivery log. Only where the claim is still ours: an attempt
   * that outlived its claim changes nothing, another process has the row.
   *
   * @returns the ids that were written
   */
  async finish(results: readonly AttemptResult[]): Promise<ReadonlySet<string>> {
    const at = (instant: number): Date => new Date(instant);
    const rows = await this.dataSource.query<{ notification_id: string }[]>(
      `WITH result AS (
         SELECT * FROM unnest($2::uuid[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[],
           $8::text[], $9::text[], $10::timestamptz[])
           AS result (id, attempt, started_at, finished_at, outcome, detail, status, reason, next_attempt_at)
       ), finished AS (
         UPDATE notification n SET
           status = result.status, reason = result.reason, next_attempt_at = result.next_attempt_at,
           claim_id = NULL, claimed_until = NULL,
           finished_at = CASE WHEN result.status <> 'pending' THEN result.finished_at END
         FROM result
         WHERE n.id = result.id AND n.status = 'sending' AND n.claim_id = $1 AND n.attempts = result.attempt
         RETURNING n.id
       )
       INSERT INTO delivery_attempt (notification_id, attempt, started_at, finished_at, outcome, detail)
       SELECT id, attempt, started_at, finished_at, outcome, detail FROM result JOIN finished USING (id)
       RETURNING notification_id`,
      [
        this.claimId,
        results.map(({ id }) => id),
        results.map(({ attempt }) => attempt),
        results.map(({ startedAt }) => at(startedAt)),
        results.map(({ finishedAt }) => at(finishedAt)),
        results.map(({ outcome }) => outcome),
        results.map(({ detail }) => detail),
        results.map(({ step }) => step.status),
        results.map(({ step }) => (step.status === 'dead' ? step.reason : null)),
        results.map(({ step }) => (step.status === 'pending' ? at(step.nextAttemptAt) : null)),
      ],
    );
    return new Set(rows.map((row) => row.notification_id));
  }

  /** For each story the notification that is next, if one is unfinished. Ask after the commit that ended the last one. */
  async nextOf(stories: readonly Story[]): Promise<(QueuedDelivery | null)[]> {
    const rows = await this.dataSource.query<({ position: string } & QueuedDelivery)[]>(
      `SELECT position, next.id, next.channel_id AS "channelId", next.channel_kind AS "channelKind"
       FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS story (heartbeat_id, channel_id, position)
       CROSS JOIN LATERAL (
         SELECT id, channel_id, channel_kind FROM notification n
         WHERE n.heartbeat_id = story.heartbeat_id AND n.channel_id = story.channel_id
           AND n.status IN ('pending', 'sending')
         ORDER BY n.seq LIMIT 1) AS next`,
      [stories.map(({ heartbeatId }) => heartbeatId), stories.map(({ channelId }) => channelId)],
    );
    const byPosition = new Map(rows.map(({ position, ...next }) => [Number(position), next]));
    return stories.map((_story, index) => byPosition.get(index + 1) ?? null);
  }

  /**
   * Makes due what is claimed by processes that are no longer alive (see `Claimant`).
   *
   * @returns how many
   */
  async freeClaimsOfTheDead(now: number): Promise<number> {
    const [, freed] = await this.dataSource.query<[unknown, number]>(
      `UPDATE notification n SET next_attempt_at = $1
       WHERE status = 'sending' AND next_attempt_at > $1 AND NOT EXISTS (
         SELECT 1 FROM pg_locks
         WHERE locktype = 'advisory' AND classid = $2 AND objid = (hashtext(n.claim_id::text)::bigint & 4294967295)::oid
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`,
      [new Date(now), CLAIMANT_LOCK_CLASS],
    );
    return freed;
  }

  /** The channels of those that are unfinished. */
  async channelOf(ids: readonly string[]): Promise<(QueuedDelivery | null)[]> {
    const rows = await this.dataSource.query<QueuedDelivery[]>(
      `SELECT id, channel_id AS "channelId", channel_kind AS "channelKind" FROM notification
       WHERE id = ANY($1::uuid[]) AND status IN ('pending', 'sending')`,
      [ids],
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  /**
   * A page of what falls due up to an instant and waits for no other, in the order of falling due. Served by the
   * partial index over unfinished notifications.
   *
   * @param after the last of the page before
   */
  async due(until: number, after: DueNotification | null, limit: number): Promise<DueNotification[]> {
    const rows = await this.dataSource.query<(QueuedDelivery & { dueAt: Date })[]>(
      `SELECT id, channel_id AS "channelId", channel_kind AS "channelKind", next_attempt_at AS "dueAt" FROM notification n
       WHERE status IN ('pending', 'sending') AND next_attempt_at <= $1
         AND ($2::timestamptz IS NULL OR (next_attempt_at, id) > ($2, $3::uuid))
         AND NOT EXISTS (
           SELECT 1 FROM notification earlier
           WHERE earlier.heartbeat_id = n.heartbeat_id AND earlier.channel_id = n.channel_id AND earlier.seq < n.seq
             AND earlier.status IN ('pending', 'sending'))
       ORDER BY next_attempt_at, id LIMIT $4`,
      [new Date(until), after === null ? null : new Date(after.dueAt), after?.id ?? null, limit],
    );
    return rows.map(({ dueAt, ...due }) => ({ ...due, dueAt: dueAt.getTime() }));
  }

  /** How many are unfinished, and since when the oldest is (epoch ms). */
  async backlog(): Promise<{ readonly count: number; readonly oldestAt: number | null }> {
    const [row] = await this.dataSource.query<{ count: string; oldestAt: Date | null }[]>(
      `SELECT count(*) AS count, min(created_at) AS "oldestAt" FROM notification WHERE status IN ('pending', 'sending')`,
    );
    return { count: Number(row?.count ?? 0), oldestAt: row?.oldestAt?.getTime() ?? null };
  }
}

function toClaim(row: ClaimRow | undefined): Claim {
  if (!row) return null;
  const { id, heartbeatId, channelId, channelKind, facts, settings, secret, traceparent } = row;
  if (row.status === 'suppressed') {
    return { result: 'suppressed', story: { heartbeatId, channelId }, reason: row.reason ?? 'never_told' };
  }
  return {
    result: 'claimed',
    notification: {
      id,
      heartbeatId,
      channelId,
      channelKind,
      facts,
      stored: row.isStored ? { settings, secret } : null,
      attempt: row.attempts,
      createdAt: row.createdAt.getTime(),
      traceparent,
    },
  };
}
