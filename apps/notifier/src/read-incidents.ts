import type { IncidentFacts } from '@flatline/channels';
import type { LogRecord } from '@flatline/event-log';
import { eventParser, incidentOpened, incidentResolved, MalformedEvent } from '@flatline/events';
import type { PoisonRecord } from '@flatline/persistence';

/** One end of an incident, as the log tells it. */
export interface ToldIncident {
  readonly eventId: string;
  readonly facts: IncidentFacts;
  readonly record: LogRecord;
}

const parse = eventParser(incidentOpened, incidentResolved);

export function readIncidents(records: readonly LogRecord[]): {
  readonly incidents: ToldIncident[];
  readonly poison: PoisonRecord[];
} {
  const incidents: ToldIncident[] = [];
  const poison: PoisonRecord[] = [];
  for (const record of records) {
    try {
      const { id, type, occurredAt, correlationId, data } = parse(record.value);
      const transition = type === 'incident.opened' ? 'down' : 'recovered';
      incidents.push({ eventId: id, facts: { ...data, transition, occurredAt, correlationId }, record });
    } catch (error) {
      if (!(error instanceof MalformedEvent)) throw error;
      poison.push({ record, reason: error.message });
    }
  }
  return { incidents, poison };
}
