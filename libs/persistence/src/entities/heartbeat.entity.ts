import type { HeartbeatDefinition, PauseSpan, Schedule } from '@flatline/domain';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { instantOf } from '../runtime-row';

/** The definition of a heartbeat. `deletedAt` set: a tombstone that only keeps the token dead. */
@Entity({ name: 'heartbeat' })
export class HeartbeatEntity {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'project_id' })
  projectId!: string;

  @Column('text')
  name!: string;

  @Column('integer')
  version!: number;

  @Column('integer', { name: 'interval_secs', nullable: true })
  intervalSecs!: number | null;

  @Column('text', { nullable: true })
  schedule!: string | null;

  @Column('text', { nullable: true })
  timezone!: string | null;

  @Column('integer', { name: 'grace_secs' })
  graceSecs!: number;

  @Column('integer', { name: 'alert_after_misses' })
  alertAfterMisses!: number;

  @Column('timestamptz', { name: 'schedule_changed_at' })
  scheduleChangedAt!: Date;

  @Column('jsonb', { name: 'pause_spans' })
  pauseSpans!: PauseSpan[];

  @Column('integer', { name: 'token_generation' })
  tokenGeneration!: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;

  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt!: Date | null;
}

/** The columns a definition is made of, as raw SQL answers them (`SELECT * FROM heartbeat`). */
export interface HeartbeatRow {
  id: string;
  project_id: string;
  name: string;
  version: number;
  interval_secs: number | null;
  schedule: string | null;
  timezone: string | null;
  grace_secs: number;
  alert_after_misses: number;
  schedule_changed_at: Date;
  pause_spans: PauseSpan[];
  token_generation: number;
  deleted_at: Date | null;
}

function scheduleOf(intervalSecs: number | null, expression: string | null, timezone: string | null): Schedule {
  return intervalSecs !== null
    ? { kind: 'interval', intervalSecs }
    : { kind: 'cron', expression: expression ?? '', timezone: timezone ?? 'UTC' };
}

/** The domain's view of a definition row read by raw SQL. */
export function definitionFromRow(row: HeartbeatRow): HeartbeatDefinition {
  return {
    heartbeatId: row.id,
    projectId: row.project_id,
    version: row.version,
    name: row.name,
    schedule: scheduleOf(row.interval_secs, row.schedule, row.timezone),
    graceSecs: row.grace_secs,
    alertAfterMisses: row.alert_after_misses,
    scheduleChangedAt: instantOf(row.schedule_changed_at) ?? 0,
    pauseSpans: row.pause_spans,
    tokenGeneration: row.token_generation,
  };
}

/** The domain's view of a definition entity. */
export function definitionFromEntity(entity: HeartbeatEntity): HeartbeatDefinition {
  return {
    heartbeatId: entity.id,
    projectId: entity.projectId,
    version: entity.version,
    name: entity.name,
    schedule: scheduleOf(entity.intervalSecs, entity.schedule, entity.timezone),
    graceSecs: entity.graceSecs,
    alertAfterMisses: entity.alertAfterMisses,
    scheduleChangedAt: entity.scheduleChangedAt.getTime(),
    pauseSpans: entity.pauseSpans,
    tokenGeneration: entity.tokenGeneration,
  };
}
