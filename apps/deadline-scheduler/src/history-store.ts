import { enqueue, type PreparedStatement, runPrepared, timestampOf } from '@flatline/persistence';
import type { EntityManager } from 'typeorm';
import type { Story, Transition } from './story';

/** A ping as the history keeps it. */
export interface HistoryPing {
  readonly id: string;
  readonly heartbeatId: string;
  readonly receivedAt: number;
  readonly kind: string;
  readonly method: string | null;
  readonly userAgent: string | null;
  readonly body: Buffer | null;
}

const WRITE_PINGS: PreparedStatement = {
  name: 'write_pings',
  text: `INSERT INTO ping (heartbeat_id, received_at, id, kind, method, user_agent, body)
    SELECT heartbeat_id, ${timestampOf('received_at')}, id, kind, method, user_agent, body
    FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[])
      AS u(heartbeat_id, received_at, id, kind, method, user_agent, body)
    ON CONFLICT DO NOTHING`,
};

/** Writes history: what was received and what came of it. Everything may be written twice and is kept once. */
export class HistoryStore {
  /** The log may hold a ping twice, the history not. */
  async writePings(manager: EntityManager, pings: readonly HistoryPing[]): Promise<void> {
    if (pings.length === 0) return;
    await runPrepared(manager, WRITE_PINGS, [
      pings.map((ping) => ping.heartbeatId),
      pings.map((ping) => ping.receivedAt),
      pings.map((ping) => ping.id),
      pings.map((ping) => ping.kind),
      pings.map((ping) => ping.method),
      pings.map((ping) => ping.userAgent),
      pings.map((ping) => ping.body),
    ]);
  }

  /** Incidents, transitions and the events about them, together or not at all. */
  async writeStory(manager: EntityManager, story: Story, now: number): Promise<void> {
    if (story.transitions.length === 0) return;
    const recordedAt = new Date(now);
    await this.writeTransitions(manager, story.transitions, recordedAt);
    if (story.starts.length > 0 || story.ends.length > 0) await this.writeIncidents(manager, story, recordedAt);
    await enqueue(manager, story.events);
  }

  private async writeIncidents(manager: EntityManager, story: Story, recordedAt: Date): Promise<void> {
    await manager.query(
      `INSERT INTO incident (id, heartbeat_id, project_id, started_at, reason, misses, recorded_at)
       SELECT id, heartbeat_id, project_id, ${timestampOf('started_at')}, reason, misses, $7
       FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::int[])
         AS u(id, heartbeat_id, project_id, started_at, reason, misses)
       ON CONFLICT DO NOTHING`,
      [
        story.starts.map((start) => start.id),
        story.starts.map((start) => start.heartbeatId),
        story.starts.map((start) => start.projectId),
        story.starts.map((start) => start.incident.startedAt),
        story.starts.map((start) => start.incident.reason),
        story.starts.map((start) => start.incident.misses),
        recordedAt,
      ],
    );
    await manager.query(
      `UPDATE incident AS i SET ended_at = ${timestampOf('u.ended_at')}, raised_in_error = u.raised_in_error
       FROM unnest($1::uuid[], $2::bigint[], $3::boolean[]) AS u(id, ended_at, raised_in_error)
       WHERE i.id = u.id AND i.ended_at IS NULL`,
      [
        story.ends.map((end) => end.id),
        story.ends.map((end) => end.endedAt),
        story.ends.map((end) => end.raisedInError),
      ],
    );
  }

  /** A run of misses grows with those that follow; everything else is written once. */
  private async writeTransitions(
    manager: EntityManager,
    transitions: readonly Transition[],
    recordedAt: Date,
  ): Promise<void> {
    const column = <Value>(read: (transition: Transition) => Value): Value[] => transitions.map(read);
    await manager.query(
      `INSERT INTO transition AS t (id, heartbeat_id, incident_id, kind, occurred_at, last_at, misses,
         blackout_started_at, blackout_ended_at, recorded_at)
       SELECT id, heartbeat_id, incident_id, kind, ${timestampOf('occurred_at')}, ${timestampOf('last_at')}, misses,
         ${timestampOf('blackout_started_at')}, ${timestampOf('blackout_ended_at')}, $10
       FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::int[], $8::bigint[],
                   $9::bigint[])
         AS u(id, heartbeat_id, incident_id, kind, occurred_at, last_at, misses, blackout_started_at, blackout_ended_at)
       ON CONFLICT (id) DO UPDATE SET last_at = EXCLUDED.last_at, misses = EXCLUDED.misses
         WHERE t.misses < EXCLUDED.misses`,
      [
        column(({ id }) => id),
        column(({ heartbeatId }) => heartbeatId),
        column(({ incidentId }) => incidentId),
        column(({ kind }) => kind),
        column(({ occurredAt }) => occurredAt),
        column(({ run }) => run?.lastAt ?? null),
        column(({ run }) => run?.misses ?? null),
        column(({ blackout }) => blackout?.startedAt ?? null),
        column(({ blackout }) => blackout?.endedAt ?? null),
        recordedAt,
      ],
    );
  }

  /** Removes everything about a deleted heartbeat. */
  async forget(manager: EntityManager, heartbeatIds: readonly string[]): Promise<void> {
    for (const table of ['heartbeat_runtime', 'transition', 'incident', 'ping']) {
      await manager.query(`DELETE FROM ${table} WHERE heartbeat_id = ANY($1::uuid[])`, [heartbeatIds]);
    }
  }
}
