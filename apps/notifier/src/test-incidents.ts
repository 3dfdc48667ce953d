import { shardOf } from '@flatline/domain';
import type { OutgoingRecord } from '@flatline/event-log';
import { incidentOpened, incidentResolved } from '@flatline/events';
import type { IncidentEventData } from '@flatline/events';
import { v5 as uuidv5, v7 as uuidv7 } from 'uuid';

/** One incident as the deadline scheduler would tell it; for tests. */
export interface TestIncident {
  readonly heartbeatId: string;
  readonly incidentId: string;
  readonly projectId: string;
  readonly name: string;
  readonly startedAt: number;
}

const NAMESPACE = '7f6d0c5e-61c1-4c63-8a55-0a4a0d2e5b11';

export function testIncident(parts: Partial<TestIncident> = {}): TestIncident {
  const incidentId = parts.incidentId ?? uuidv7();
  return {
    heartbeatId: uuidv7(),
    projectId: '0192d3f0-7a10-7c3e-9b1a-000000000001',
    name: 'nightly backup',
    startedAt: Date.UTC(2026, 0, 5, 3, 12, 0),
    ...parts,
    incidentId,
  };
}

export function downRecord(incident: TestIncident, partitions: number): OutgoingRecord {
  return record(incident, 'down', incident.startedAt, partitions);
}

export function recoveredRecord(incident: TestIncident, partitions: number, afterMs = 60_000): OutgoingRecord {
  return record(incident, 'recovered', incident.startedAt + afterMs, partitions);
}

function record(
  incident: TestIncident,
  transition: 'down' | 'recovered',
  occurredAt: number,
  partitions: number,
): OutgoingRecord {
  const { heartbeatId, incidentId, projectId, name, startedAt } = incident;
  const isDown = transition === 'down';
  const data: IncidentEventData = {
    projectId,
    heartbeat: {
      id: heartbeatId,
      name,
      status: isDown ? 'failing' : 'active',
      intervalSecs: 60,
      schedule: null,
      timezone: null,
      graceSecs: 10,
      lastPingedAt: isDown ? startedAt - 130_000 : occurredAt,
    },
    incident: { id: incidentId, startedAt, endedAt: isDown ? null : occurredAt, reason: 'missed', misses: 2 },
  };
  const envelope = {
    id: uuidv5(`${incidentId}/${transition}`, NAMESPACE),
    occurredAt,
    producedAt: occurredAt,
    key: heartbeatId,
    correlationId: incidentId,
    data,
  };
  return {
    partition: shardOf(heartbeatId, partitions),
    key: heartbeatId,
    value: (isDown ? incidentOpened : incidentResolved).encode(envelope),
  };
}
