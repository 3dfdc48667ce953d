import type { IncidentFacts } from '../incident-facts';

/** The exact bytes of the body, as text; the signature is over them. */
export interface WebhookMessage {
  readonly body: string;
}

/** The body of a webhook. `timestamp` is when it happened, not when it is sent. All instants are RFC 3339 in UTC. */
export function renderWebhook({ transition, occurredAt, heartbeat, incident }: IncidentFacts): WebhookMessage {
  return {
    body: JSON.stringify({
      type: transition === 'down' ? 'heartbeat.down' : 'heartbeat.recovered',
      timestamp: rfc3339(occurredAt),
      data: {
        heartbeat: {
          id: heartbeat.id,
          name: heartbeat.name,
          status: heartbeat.status,
          interval_secs: heartbeat.intervalSecs,
          schedule: heartbeat.schedule ?? null,
          timezone: heartbeat.timezone ?? null,
          grace_secs: heartbeat.graceSecs,
          last_pinged_at: rfc3339(heartbeat.lastPingedAt),
        },
        incident: {
          id: incident.id,
          started_at: rfc3339(incident.startedAt),
          ended_at: rfc3339(incident.endedAt),
          reason: incident.reason,
          misses: incident.misses,
          ...(incident.raisedInError && { raised_in_error: true }),
          ...(incident.blackout && {
            blackout: {
              started_at: rfc3339(incident.blackout.startedAt),
              ended_at: rfc3339(incident.blackout.endedAt),
            },
          }),
        },
      },
    }),
  };
}

function rfc3339(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
