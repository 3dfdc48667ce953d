import { Injectable } from '@nestjs/common';
import type { HeartbeatDefinition } from '@flatline/domain';
import {
  definitionFromRow,
  type HeartbeatRow,
  runtimeColumns,
  type RuntimeRow,
  stateFromRow,
} from '@flatline/persistence';
import { DataSource, type EntityManager } from 'typeorm';
import type { Position } from '../requests/page';
import type { StoredHeartbeat } from './heartbeat-view';

type StoredRow = HeartbeatRow & { created_at: Date; updated_at: Date } & {
  [Field in keyof RuntimeRow]: RuntimeRow[Field] | null;
};

const DEFINITION_COLUMNS = [
  'h.id, h.project_id, h.name, h.version, h.interval_secs, h.schedule, h.timezone, h.grace_secs, h.alert_after_misses',
  'h.schedule_changed_at, h.pause_spans, h.token_generation, h.deleted_at, h.created_at, h.updated_at',
].join(', ');
const SELECT_STORED = `SELECT ${DEFINITION_COLUMNS}, ${runtimeColumns('r')}
  FROM heartbeat h LEFT JOIN heartbeat_runtime r ON r.heartbeat_id = h.id`;

/** Reads and writes rows of heartbeats. What happened to them (`heartbeat_runtime`) is read and never written. */
@Injectable()
export class HeartbeatStore {
  constructor(private readonly dataSource: DataSource) {}

  /** A living heartbeat of a project; null for one that is unknown, deleted or somebody else's. */
  async find(projectId: string, id: string, manager?: EntityManager): Promise<StoredHeartbeat | null> {
    const [row] = await (manager ?? this.dataSource).query<StoredRow[]>(
      `${SELECT_STORED} WHERE h.id = $1 AND h.project_id = $2 AND h.deleted_at IS NULL`,
      [id, projectId],
    );
    return row ? storedOf(row) : null;
  }

  /** The same, and nobody else changes it until the transaction ends. */
  async findForUpdate(manager: EntityManager, projectId: string, id: string): Promise<StoredHeartbeat | null> {
    const [locked] = await manager.query<unknown[]>(
      'SELECT 1 FROM heartbeat WHERE id = $1 AND project_id = $2 AND deleted_at IS NULL FOR UPDATE',
      [id, projectId],
    );
    // Read again under the lock: the row may have changed while we waited for it.
    return locked ? this.find(projectId, id, manager) : null;
  }

  /** Heartbeats of a project in the order they were made, after a position, at most `limit` of them. */
  async list(projectId: string, after: Position | undefined, limit: number): Promise<StoredHeartbeat[]> {
    const rows = await this.dataSource.query<StoredRow[]>(
      `${SELECT_STORED}
       WHERE h.project_id = $1 AND h.deleted_at IS NULL ${after ? 'AND (h.created_at, h.id) > ($3, $4)' : ''}
       ORDER BY h.created_at, h.id LIMIT $2`,
      [projectId, limit, ...(after ? [new Date(after.at), after.id] : [])],
    );
    return rows.map(storedOf);
  }

  /**
   * Counts the living heartbeats of a project, and keeps others from adding to it until the transaction ends, so that
   * two requests at once cannot both take the last place of a quota.
   */
  async countForUpdate(manager: EntityManager, projectId: string): Promise<number> {
    await manager.query('SELECT 1 FROM project WHERE id = $1 FOR UPDATE', [projectId]);
    const [row] = await manager.query<{ count: number }[]>(
      'SELECT count(*)::int AS count FROM heartbeat WHERE project_id = $1 AND deleted_at IS NULL',
      [projectId],
    );
    return row?.count ?? 0;
  }

  async insert(manager: EntityManager, definition: HeartbeatDefinition, now: number): Promise<void> {
    await manager.query(
      `INSERT INTO heartbeat (id, project_id, name, version, interval_secs, schedule, timezone, grace_secs,
                              alert_after_misses, schedule_changed_at, pause_spans, token_generation,
                              created_at, updated_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)`,
      [...valuesOf(definition), new Date(now)],
    );
  }

  /** Writes the next version. The row must be locked by this transaction. */
  async update(manager: EntityManager, definition: HeartbeatDefinition, now: number): Promise<void> {
    await manager.query(
      `UPDATE heartbeat SET name = $3, version = $4, interval_secs = $5, schedule = $6, timezone = $7, grace_secs = $8,
         alert_after_misses = $9, schedule_changed_at = $10, pause_spans = $11, token_generation = $12, updated_at = $13
       WHERE id = $1 AND project_id = $2`,
      [...valuesOf(definition), new Date(now)],
    );
  }

  /** Leaves a tombstone. The row must be locked by this transaction. */
  async bury(manager: EntityManager, id: string, version: number, now: number): Promise<void> {
    await manager.query(`UPDATE heartbeat SET version = $2, deleted_at = $3, updated_at = $3 WHERE id = $1`, [
      id,
      version,
      new Date(now),
    ]);
  }
}

function valuesOf(definition: HeartbeatDefinition): unknown[] {
  const { schedule } = definition;
  const isInterval = schedule.kind === 'interval';
  return [
    definition.heartbeatId,
    definition.projectId,
    definition.name,
    definition.version,
    isInterval ? schedule.intervalSecs : null,
    isInterval ? null : schedule.expression,
    isInterval ? null : schedule.timezone,
    definition.graceSecs,
    definition.alertAfterMisses,
    new Date(definition.scheduleChangedAt),
    JSON.stringify(definition.pauseSpans),
    definition.tokenGeneration,
  ];
}

function storedOf(row: StoredRow): StoredHeartbeat {
  return {
    definition: definitionFromRow(row),
    state: row.heartbeat_id === null ? null : stateFromRow(row as RuntimeRow),
    misfit: row.misfit,
    createdAt: row.created_at.getTime(),
    updatedAt: row.updated_at.getTime(),
  };
}
