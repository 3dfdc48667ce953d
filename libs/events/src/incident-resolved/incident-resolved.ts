import { defineEvent } from '../envelope';
import { incidentFacts } from '../incident-facts';
import { INCIDENTS_TOPIC } from '../topics';

/** A heartbeat that was down was pinged again. `occurredAt` is when that ping was received. */
export const incidentResolved = defineEvent('incident.resolved', INCIDENTS_TOPIC, incidentFacts);
