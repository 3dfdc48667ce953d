import {
  type HeartbeatDefinition,
  type IncidentReason,
  type KnownHistory,
  restoreState,
  type RuntimeState,
  shardOf,
} from '@flatline/domain';
import { buryRows, contradictionInRow, type DeadRow, type RuntimeRow, stateFromRow } from '@flatline/persistence';
import type { EntityManager } from 'typeorm';
import { LOOK_AGAIN_MS } from './fold';

/** A locked row, with the definition of its heartbeat. */
export interface DefinedRow {
  readonly row: RuntimeRow;
  readonly definition: HeartbeatDefinition;
}

export interface RestoredState {
  readonly state: RuntimeState;
  readonly shard: number;
  readonly contradiction: string;
}

interface HistoryRow {
  id: string;
  last_success_at: Date | null;
  last_signal_at: Date | null;
  last_signal_id: string | null;
  incident_started_at: Date | null;
  incident_reason: IncidentReason | null;
  incident_misses: number | null;
}

/**
 * What is done about rows of `heartbeat_runtime` that nobody of ours can have written. Each goes to the dead letters as
 * it was, once, and the heartbeats beside it never notice.
 */
export class MisfitRows {
  constructor(private readonly partitions: number) {}

  /**
   * The states of rows that contradict themselves, put together again. A shard that is not the heartbeat's is mended
   * here, because nothing else writes it; such a row keeps its state. Every row that is not among them is in its shard.
   */
  async restore(manager: EntityManager, rows: readonly DefinedRow[], now: number): Promise<Map<string, RestoredState>> {
    const broken = rows.flatMap(({ row, definition }) => {
      const contradiction = contradictionInRow(row);
      const stray = contradiction ?? this.strayed(row);
      return stray === null ? [] : [{ row, definition, contradiction: stray, isStrayed: contradiction === null }];
    });
    if (broken.length === 0) return new Map();
    const ids = broken.map(({ row }) => row.heartbeat_id);
    const shards = ids.map((id) => shardOf(id, this.partitions));
    await buryRows(
      manager,
      broken.map(({ row, contradiction }) => letterOf(row, contradiction)),
      now,
    );
    await manager.query(
      `UPDATE heartbeat_runtime r SET shard = u.shard FROM unnest($1::uuid[], $2::int[]) AS u(id, shard)
       WHERE heartbeat_id = u.id AND r.shard <> u.shard`,
      [ids, shards],
    );
    const history = await historyOf(manager, ids);
    return new Map(
      broken.map(({ row, definition, contradiction, isStrayed }, index) => {
        const state = stateFromRow(row);
        const restored = isStrayed ? state : restoreState(definition, state, history.get(row.heartbeat_id)!);
        return [row.heartbeat_id, { state: restored, shard: shards[index]!, contradiction }];
      }),
    );
  }

  /**
   * Takes the timers from rows whose heartbeat does not exist: there is nothing to judge them by, and every sweep would
   * find them. Those of deleted heartbeats stay: the event that removes them is on its way.
   */
  async unarmOrphans(manager: EntityManager, rows: readonly RuntimeRow[], now: number): Promise<void> {
    if (rows.length === 0) return;
    const [unarmed] = await manager.query<[{ heartbeat_id: string }[], number]>(
      `UPDATE heartbeat_runtime r SET wake_at = NULL, misfit = $2
       WHERE heartbeat_id = ANY($1::uuid[]) AND NOT EXISTS (SELECT FROM heartbeat h WHERE h.id = r.heartbeat_id)
         AND misfit IS DISTINCT FROM $2
       RETURNING heartbeat_id`,
      [rows.map((row) => row.heartbeat_id), ORPHAN],
    );
    const ids = new Set(unarmed.map((row) => row.heartbeat_id));
    const orphans = rows.filter((row) => ids.has(row.heartbeat_id));
    await buryRows(
      manager,
      orphans.map((row) => letterOf(row, ORPHAN)),
      now,
    );
  }

  /**
   * Leaves out one row that cannot even be read or written: marked, in the dead letters as it is, and looked at again
   * later. @returns whether that is news
   */
  async setAside(manager: EntityManager, heartbeatId: string, reason: string, now: number): Promise<boolean> {
    const [found] = await manager.query<{ misfit: string | null; row: string }[]>(
      'SELECT misfit, to_jsonb(r)::text AS row FROM heartbeat_runtime r WHERE heartbeat_id = $1 FOR UPDATE',
      [heartbeatId],
    );
    if (!found) return false;
    const isNews = found.misfit !== reason;
    if (isNews)
      await buryRows(manager, [{ source: 'heartbeat_runtime', key: heartbeatId, row: found.row, reason }], now);
    await manager.query('UPDATE heartbeat_runtime SET misfit = $2, wake_at = $3 WHERE heartbeat_id = $1', [
      heartbeatId,
      reason,
      new Date(now + LOOK_AGAIN_MS),
    ]);
    return isNews;
  }

  /** How many heartbeats are not judged, in all shards. */
  async count(manager: EntityManager): Promise<number> {
    const [row] = await manager.query<{ count: number }[]>(
      'SELECT count(*)::int AS count FROM heartbeat_runtime WHERE misfit IS NOT NULL',
    );
    return row?.count ?? 0;
  }

  private strayed(row: RuntimeRow): string | null {
    return row.shard === shardOf(row.heartbeat_id, this.partitions)
      ? null
      : `in shard ${row.shard}, which is not its own`;
  }
}

const ORPHAN = 'there is no such heartbeat';

function letterOf(row: RuntimeRow, reason: string): DeadRow {
  return { source: 'heartbeat_runtime', key: row.heartbeat_id, row: JSON.stringify(row), reason };
}

async function historyOf(manager: EntityManager, heartbeatIds: readonly string[]): Promise<Map<string, KnownHistory>> {
  const rows = await manager.query<HistoryRow[]>(
    `SELECT h.id, success.received_at AS last_success_at, signal.received_at AS last_signal_at, signal.id AS last_signal_id,
       i.started_at AS incident_started_at, i.reason AS incident_reason, i.misses AS incident_misses
     FROM heartbeat h
     LEFT JOIN LATERAL (
       SELECT received_at FROM ping WHERE heartbeat_id = h.id AND kind = 'success' AND NOT EXISTS (
         SELECT FROM jsonb_to_recordset(h.pause_spans) AS span("pausedAt" float8, "resumedAt" float8)
         WHERE received_at >= to_timestamp("pausedAt" / 1000)
           AND ("resumedAt" IS NULL OR received_at < to_timestamp("resumedAt" / 1000)))
       ORDER BY received_at DESC LIMIT 1) success ON true
     LEFT JOIN LATERAL (
       SELECT received_at, id FROM ping WHERE heartbeat_id = h.id
       ORDER BY received_at DESC, id DESC LIMIT 1) signal ON true
     LEFT JOIN LATERAL (
       SELECT started_at, reason, misses FROM incident WHERE heartbeat_id = h.id AND ended_at IS NULL
       ORDER BY started_at DESC LIMIT 1) i ON true
     WHERE h.id = ANY($1::uuid[])`,
    [heartbeatIds],
  );
  return new Map(
    rows.map((row) => [
      row.id,
      {
        lastSuccessAt: row.last_success_at?.getTime() ?? null,
        lastSignal:
          row.last_signal_at && row.last_signal_id
            ? { receivedAt: row.last_signal_at.getTime(), id: row.last_signal_id }
            : null,
        openIncident:
          row.incident_started_at && row.incident_reason
            ? {
                startedAt: row.incident_started_at.getTime(),
                reason: row.incident_reason,
                misses: row.incident_misses ?? 0,
              }
            : null,
      },
    ]),
  );
}
