import type { HeartbeatStatus, IncidentReason, RuntimeState } from '@flatline/domain';

/** A row of `heartbeat_runtime` as raw SQL answers it. Written by the deadline scheduler alone; others read it. */
export interface RuntimeRow {
  heartbeat_id: string;
  shard: number;
  definition_version: number;
  runtime_schedule_changed_at: Date;
  status: HeartbeatStatus;
  baseline_at: Date | null;
  last_ping_at: Date | null;
  last_signal_at: Date | null;
  last_signal_id: string | null;
  misses: number;
  unknowns: number;
  next_expected_at: Date | null;
  wake_at: Date | null;
  incident_started_at: Date | null;
  incident_reason: IncidentReason | null;
  incident_misses: number | null;
}

/** The columns of {@link RuntimeRow} of a table alias, for raw SQL. */
export function runtimeColumns(alias: string): string {
  return [
    `${alias}.heartbeat_id, ${alias}.shard, ${alias}.definition_version`,
    `${alias}.schedule_changed_at AS runtime_schedule_changed_at, ${alias}.status, ${alias}.baseline_at`,
    `${alias}.last_ping_at, ${alias}.last_signal_at, ${alias}.last_signal_id, ${alias}.misses, ${alias}.unknowns`,
    `${alias}.next_expected_at, ${alias}.wake_at`,
    `${alias}.incident_started_at, ${alias}.incident_reason, ${alias}.incident_misses`,
  ].join(', ');
}

/** The domain's view of a runtime row. */
export function stateFromRow(row: RuntimeRow): RuntimeState {
  return {
    status: row.status,
    definitionVersion: row.definition_version,
    scheduleChangedAt: row.runtime_schedule_changed_at.getTime(),
    baselineAt: row.baseline_at?.getTime() ?? null,
    lastPingAt: row.last_ping_at?.getTime() ?? null,
    lastSignal:
      row.last_signal_at && row.last_signal_id
        ? { receivedAt: row.last_signal_at.getTime(), id: row.last_signal_id }
        : null,
    misses: row.misses,
    unknowns: row.unknowns,
    nextExpectedAt: row.next_expected_at?.getTime() ?? null,
    incident:
      row.incident_started_at && row.incident_reason
        ? {
            startedAt: row.incident_started_at.getTime(),
            reason: row.incident_reason,
            misses: row.incident_misses ?? 0,
          }
        : null,
  };
}
