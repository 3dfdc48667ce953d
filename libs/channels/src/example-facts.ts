import type { IncidentFacts } from './incident-facts';

/** An incident that is unverified, because Flatline was away until ten minutes before. */
export const unverified = {
  reason: 'unverified',
  misses: 0,
  blackout: { startedAt: Date.UTC(2026, 0, 5, 2, 40, 0), endedAt: Date.UTC(2026, 0, 5, 3, 2, 30) },
} as const;

/** What tests tell people about; every part can be replaced. Not exported by the library. */
export function exampleFacts(
  parts: {
    readonly transition?: IncidentFacts['transition'];
    readonly occurredAt?: number;
    readonly heartbeat?: Partial<IncidentFacts['heartbeat']>;
    readonly incident?: Partial<IncidentFacts['incident']>;
  } = {},
): IncidentFacts {
  const downAt = Date.UTC(2026, 0, 5, 3, 12, 0);
  const transition = parts.transition ?? 'down';
  const occurredAt = parts.occurredAt ?? (transition === 'down' ? downAt : downAt + 850_000);
  return {
    transition,
    occurredAt,
    correlationId: '0192d3f0-7a10-7c3e-9b1a-0000000000cc',
    projectId: '0192d3f0-7a10-7c3e-9b1a-000000000001',
    heartbeat: {
      id: '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a',
      name: 'nightly backup',
      status: transition === 'down' ? 'failing' : 'active',
      intervalSecs: 3_600,
      schedule: null,
      timezone: null,
      graceSecs: 300,
      lastPingedAt: transition === 'down' ? downAt - 7_500_000 : occurredAt,
      ...parts.heartbeat,
    },
    incident: {
      id: '5f2c1c9e-9d4e-5a83-a3a5-4f1f0f3c2d11',
      startedAt: downAt,
      endedAt: transition === 'down' ? null : occurredAt,
      reason: 'missed',
      misses: 2,
      ...parts.incident,
    },
  };
}
