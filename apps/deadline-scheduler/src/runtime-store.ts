import type { HeartbeatDefinition, RuntimeState } from '@flatline/domain';
import { shardOf } from '@flatline/domain';
import {
  definitionFromRow,
  type HeartbeatRow,
  instantOf,
  type PreparedStatement,
  runPrepared,
  runtimeColumns,
  type RuntimeRow,
  stateFromRow,
  timestampOf,
} from '@flatline/persistence';
import type { EntityManager } from 'typeorm';
import { MisfitRows } from './misfit-rows';

/** A heartbeat whose runtime row is locked by the transaction in hand. */
export interface LockedHeartbeat {
  readonly definition: HeartbeatDefinition;
  readonly state: RuntimeState;
  /** What its timer is armed for. */
  readonly wakeAt: number | null;
  readonly shard: number;
  /** Why it was not judged the last time; null when it was. */
  readonly misfit: string | null;
  /** What contradicted itself in the row: `state` was put together again, and the row is to be written. */
  readonly restored: string | null;
}

export interface RuntimeUpdate {
  readonly heartbeatId: string;
  readonly state: RuntimeState;
  readonly wakeAt: number | null;
  /** Why it is not judged; null when it is. */
  readonly misfit: string | null;
}

export interface ArmedHeartbeat {
  readonly heartbeatId: string;
  readonly wakeAt: Date;
}

export interface ArmedPage {
  /** Only what is armed for an instant before this one, epoch ms. */
  readonly before?: number;
  /** The last of the page before; undefined for the first page. */
  readonly after: ArmedHeartbeat | undefined;
  readonly limit: number;
}

const lockSql = `SELECT ${runtimeColumns('r')} FROM heartbeat_runtime r WHERE heartbeat_id = ANY($1::uuid[])
  ORDER BY heartbeat_id FOR UPDATE`;
const LOCK: PreparedStatement = { name: 'lock_runtime', text: lockSql };
const LOCK_FREE: PreparedStatement = { name: 'lock_free_runtime', text: `${lockSql} SKIP LOCKED` };

const DEFINITIONS: PreparedStatement = {
  name: 'newest_definitions',
  text: `SELECT id, project_id, name, version, interval_secs, schedule, timezone, grace_secs, alert_after_misses,
      schedule_changed_at, pause_spans, token_generation, deleted_at
    FROM heartbeat WHERE id = ANY($1::uuid[]) AND deleted_at IS NULL`,
};

/** `wake_at` changes rarely, and while it does not the update stays in place. */
const WRITE: PreparedStatement = {
  name: 'write_runtime',
  text: `UPDATE heartbeat_runtime AS r SET
      definition_version = u.definition_version, schedule_changed_at = ${timestampOf('u.schedule_changed_at')},
      status = u.status, baseline_at = ${timestampOf('u.baseline_at')}, last_ping_at = ${timestampOf('u.last_ping_at')},
      last_signal_at = ${timestampOf('u.last_signal_at')}, last_signal_id = u.last_signal_id, misses = u.misses,
      unknowns = u.unknowns, next_expected_at = ${timestampOf('u.next_expected_at')}, wake_at = ${timestampOf('u.wake_at')},
      incident_started_at = ${timestampOf('u.incident_started_at')}, incident_reason = u.incident_reason,
      incident_misses = u.incident_misses, misfit = u.misfit
    FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                $8::uuid[], $9::int[], $10::int[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::int[],
                $16::text[])
      AS u(heartbeat_id, definition_version, schedule_changed_at, status, baseline_at, last_ping_at, last_signal_at,
           last_signal_id, misses, unknowns, next_expected_at, wake_at, incident_started_at, incident_reason,
           incident_misses, misfit)
    WHERE r.heartbeat_id = u.heartbeat_id`,
};

/** Reads and writes `heartbeat_runtime`, always many rows at a time and always in the order of their ids. */
export class RuntimeStore {
  readonly misfits: MisfitRows;

  constructor(private readonly partitions: number) {
    this.misfits = new MisfitRows(partitions);
  }

  /**
   * Locks the rows of heartbeats, creating those that are missing, and reads their newest definitions under the lock.
   * Deleted and unknown heartbeats are left out. With `skipLocked`, rows somebody else holds are left out too.
   *
   * A row that contradicts itself goes to the dead letters, and its state is put together again from the history.
   */
  async lock(
    manager: EntityManager,
    heartbeatIds: readonly string[],
    now: number,
    { skipLocked = false } = {},
  ): Promise<Map<string, LockedHeartbeat>> {
    const rows = await this.selectForUpdate(manager, heartbeatIds, skipLocked);
    const definitions = await this.definitions(manager, heartbeatIds);
    if (!skipLocked) {
      const found = new Set(rows.map((row) => row.heartbeat_id));
      const missing = [...definitions.keys()].filter((id) => !found.has(id));
      if (missing.length > 0) {
        await this.create(manager, missing, definitions);
        rows.push(...(await this.selectForUpdate(manager, missing, false)));
      }
    }
    await this.misfits.unarmOrphans(
      manager,
      rows.filter((row) => !definitions.has(row.heartbeat_id)),
      now,
    );
    const known = rows.flatMap((row) => {
      const definition = definitions.get(row.heartbeat_id);
      return definition ? [{ row, definition }] : [];
    });
    const restored = await this.misfits.restore(manager, known, now);
    return new Map(
      known.map(({ row, definition }) => {
        const mended = restored.get(row.heartbeat_id);
        const locked: LockedHeartbeat = {
          definition,
          state: mended?.state ?? stateFromRow(row),
          wakeAt: instantOf(row.wake_at),
          shard: mended?.shard ?? row.shard,
          misfit: row.misfit,
          restored: mended?.contradiction ?? null,
        };
        return [row.heartbeat_id, locked];
      }),
    );
  }

  /** Writes rows back; one statement. */
  async write(manager: EntityManager, updates: readonly RuntimeUpdate[]): Promise<void> {
    if (updates.length === 0) return;
    const column = <Value>(read: (update: RuntimeUpdate) => Value): Value[] => updates.map(read);
    await runPrepared(manager, WRITE, [
      column((update) => update.heartbeatId),
      column(({ state }) => state.definitionVersion),
      column(({ state }) => state.scheduleChangedAt),
      column(({ state }) => state.status),
      column(({ state }) => state.baselineAt),
      column(({ state }) => state.lastPingAt),
      column(({ state }) => state.lastSignal?.receivedAt ?? null),
      column(({ state }) => state.lastSignal?.id ?? null),
      column(({ state }) => state.misses),
      column(({ state }) => state.unknowns),
      column(({ state }) => state.nextExpectedAt),
      column((update) => update.wakeAt),
      column(({ state }) => state.incident?.startedAt ?? null),
      column(({ state }) => state.incident?.reason ?? null),
      column(({ state }) => state.incident?.misses ?? null),
      column((update) => update.misfit),
    ]);
  }

  /** One page of the heartbeats of a shard whose timer is armed, the soonest first. */
  async armed(manager: EntityManager, shard: number, page: ArmedPage): Promise<ArmedHeartbeat[]> {
    const { before, after, limit } = page;
    const rows = await manager.query<{ heartbeat_id: string; wake_at: Date }[]>(
      `SELECT heartbeat_id, CASE WHEN isfinite(wake_at) THEN wake_at ELSE to_timestamp(0) END AS wake_at
       FROM heartbeat_runtime r
       WHERE shard = $1 AND wake_at IS NOT NULL AND ($2::timestamptz IS NULL OR wake_at < $2)
         AND ($3::timestamptz IS NULL OR (wake_at, heartbeat_id) > ($3, $4::uuid))
       ORDER BY r.wake_at, heartbeat_id LIMIT $5`,
      [shard, before === undefined ? null : new Date(before), after?.wakeAt ?? null, after?.heartbeatId ?? null, limit],
    );
    return rows.map((row) => ({ heartbeatId: row.heartbeat_id, wakeAt: row.wake_at }));
  }

  private selectForUpdate(
    manager: EntityManager,
    heartbeatIds: readonly string[],
    skipLocked: boolean,
  ): Promise<RuntimeRow[]> {
    return runPrepared(manager, skipLocked ? LOCK_FREE : LOCK, [heartbeatIds]);
  }

  private async definitions(
    manager: EntityManager,
    heartbeatIds: readonly string[],
  ): Promise<Map<string, HeartbeatDefinition>> {
    const rows = await runPrepared<HeartbeatRow[]>(manager, DEFINITIONS, [heartbeatIds]);
    return new Map(rows.map((row) => [row.id, definitionFromRow(row)]));
  }

  private async create(
    manager: EntityManager,
    heartbeatIds: readonly string[],
    definitions: ReadonlyMap<string, HeartbeatDefinition>,
  ): Promise<void> {
    const ids = [...heartbeatIds].sort();
    await manager.query(
      `INSERT INTO heartbeat_runtime (heartbeat_id, shard, definition_version, schedule_changed_at, status)
       SELECT id, shard, 0, ${timestampOf('changed_at')}, 'new'
       FROM unnest($1::uuid[], $2::int[], $3::bigint[]) AS u(id, shard, changed_at)
       ON CONFLICT DO NOTHING`,
      [ids, ids.map((id) => shardOf(id, this.partitions)), ids.map((id) => definitions.get(id)!.scheduleChangedAt)],
    );
  }
}
