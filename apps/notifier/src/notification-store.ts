import type { EntityManager } from 'typeorm';
import type { KnownNotification, PlannedNotification } from './plan-notifications';

/** A channel of a project, as far as planning needs it. */
export interface ProjectChannel {
  readonly id: string;
  readonly projectId: string;
  readonly kind: string;
}

/** The statements of planning; all run in the transaction that moves the position. */
export class NotificationStore {
  /** The channels of these projects that are not deleted, oldest first. */
  async channelsOf(manager: EntityManager, projectIds: readonly string[]): Promise<ProjectChannel[]> {
    return manager.query<ProjectChannel[]>(
      `SELECT id, project_id AS "projectId", kind FROM channel
       WHERE project_id = ANY($1::uuid[]) AND deleted_at IS NULL ORDER BY created_at, id`,
      [projectIds],
    );
  }

  /** What was planned for these incidents before. */
  async known(manager: EntityManager, incidentIds: readonly string[]): Promise<KnownNotification[]> {
    return manager.query<KnownNotification[]>(
      `SELECT incident_id AS "incidentId", transition, channel_id AS "channelId", channel_kind AS "channelKind", status
       FROM notification WHERE incident_id = ANY($1::uuid[])`,
      [incidentIds],
    );
  }

  /**
   * Writes notifications; `seq` follows their order here, and with it what one channel hears of one heartbeat. Pending
   * ones are due at once.
   */
  async insert(manager: EntityManager, planned: readonly PlannedNotification[], now: number): Promise<void> {
    if (planned.length === 0) return;
    await manager.query(
      `INSERT INTO notification (id, event_id, project_id, heartbeat_id, incident_id, channel_id, channel_kind, transition,
         facts, status, reason, traceparent, next_attempt_at, created_at, finished_at)
       SELECT id, event_id, project_id, heartbeat_id, incident_id, channel_id, channel_kind, transition,
         facts, status, reason, traceparent, CASE WHEN status = 'pending' THEN $13::timestamptz END, $13,
         CASE WHEN status <> 'pending' THEN $13::timestamptz END
       FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[],
         $9::jsonb[], $10::text[], $11::text[], $12::text[]) WITH ORDINALITY
         AS planned (id, event_id, project_id, heartbeat_id, incident_id, channel_id, channel_kind, transition,
           facts, status, reason, traceparent, position)
       ORDER BY position`,
      [
        planned.map(({ id }) => id),
        planned.map(({ eventId }) => eventId),
        planned.map(({ facts }) => facts.projectId),
        planned.map(({ facts }) => facts.heartbeat.id),
        planned.map(({ incidentId }) => incidentId),
        planned.map(({ channelId }) => channelId),
        planned.map(({ channelKind }) => channelKind),
        planned.map(({ transition }) => transition),
        planned.map(({ facts }) => JSON.stringify(facts)),
        planned.map(({ status }) => status),
        planned.map(({ reason }) => reason),
        planned.map(({ traceparent }) => traceparent ?? null),
        new Date(now),
      ],
    );
  }

  /** Lets the recoveries of these "downs" that were suppressed follow them. */
  async retellRecoveries(manager: EntityManager, downs: readonly PlannedNotification[], now: number): Promise<void> {
    if (downs.length === 0) return;
    await manager.query(
      `UPDATE notification n SET status = 'pending', reason = NULL, finished_at = NULL, next_attempt_at = $3, seq = DEFAULT
       FROM unnest($1::uuid[], $2::text[]) AS told(incident_id, channel_id)
       WHERE n.incident_id = told.incident_id AND n.channel_id = told.channel_id AND n.transition = 'recovered'
         AND n.status = 'suppressed' AND n.reason = 'never_told'`,
      [downs.map(({ incidentId }) => incidentId), downs.map(({ channelId }) => channelId), new Date(now)],
    );
  }
}
