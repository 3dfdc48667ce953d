import { defineEvent } from '../envelope';
import { incidentFacts } from '../incident-facts';
import { INCIDENTS_TOPIC } from '../topics';

/** A heartbeat went down. `occurredAt` is the deadline that was missed (or the fail signal), not when it was noticed. */
export const incidentOpened = defineEvent('incident.opened', INCIDENTS_TOPIC, incidentFacts);
