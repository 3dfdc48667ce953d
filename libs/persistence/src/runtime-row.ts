import { contradictionIn, type HeartbeatStatus, type IncidentReason, type RuntimeState } from '@flatline/domain';

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
  /** Why the heartbeat is not judged, in words for people; null when it is. */
  misfit: string | null;
}

/** The columns of {@link RuntimeRow} of a table alias, for raw SQL. */
export function runtimeColumns(alias: string): string {
  return [
    `${alias}.heartbeat_id, ${alias}.shard, ${alias}.definition_version`,
    `${alias}.schedule_changed_at AS runtime_schedule_changed_at, ${alias}.status, ${alias}.baseline_at`,
    `${alias}.last_ping_at, ${alias}.last_signal_at, ${alias}.last_signal_id, ${alias}.misses, ${alias}.unknowns`,
    `${alias}.next_expected_at, ${alias}.wake_at`,
    `${alias}.incident_started_at, ${alias}.incident_reason, ${alias}.incident_misses, ${alias}.misfit`,
  ].join(', ');
}

/** Epoch ms; null for an instant that Postgres knows and nobody can compute with, such as `infinity` or the year 280000. */
export function instantOf(value: Date | null): number | null {
  const at = value instanceof Date ? value.getTime() : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/** The domain's view of a runtime row. */
export function stateFromRow(row: RuntimeRow): RuntimeState {
  const lastSignalAt = instantOf(row.last_signal_at);
  const incidentStartedAt = instantOf(row.incident_started_at);
  return {
    status: row.status,
    definitionVersion: row.definition_version,
    scheduleChangedAt: instantOf(row.runtime_schedule_changed_at) ?? 0,
    baselineAt: instantOf(row.baseline_at),
    lastPingAt: instantOf(row.last_ping_at),
    lastSignal:
      lastSignalAt !== null && row.last_signal_id ? { receivedAt: lastSignalAt, id: row.last_signal_id } : null,
    misses: row.misses,
    unknowns: row.unknowns,
    nextExpectedAt: instantOf(row.next_expected_at),
    incident:
      incidentStartedAt !== null && row.incident_reason
        ? { startedAt: incidentStartedAt, reason: row.incident_reason, misses: row.incident_misses ?? 0 }
        : null,
  };
}

const INSTANTS = [
  'runtime_schedule_changed_at',
  'baseline_at',
  'last_ping_at',
  'last_signal_at',
  'next_expected_at',
  'incident_started_at',
] as const satisfies readonly (keyof RuntimeRow)[];

/** What contradicts itself in a row, in a few words; null for a row as we write them. */
export function contradictionInRow(row: RuntimeRow): string | null {
  if (INSTANTS.some((column) => row[column] !== null && instantOf(row[column]) === null))
    return 'an instant without end';
  if ((row.incident_started_at === null) !== (row.incident_reason === null)) return 'half an incident';
  return contradictionIn(stateFromRow(row));
}
