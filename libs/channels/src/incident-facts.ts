import { incidentFacts, instant } from '@flatline/events';
import { z } from 'zod';

/** Which end of an incident people are told about. */
export const transitions = ['down', 'recovered'] as const;
export type Transition = (typeof transitions)[number];

/**
 * All that a message is made of: what the event said, when it truly happened (epoch ms) and the id that follows the
 * story through every service. Kept beside each notification, so a message can be rendered again at any later time.
 */
export const notificationFacts = incidentFacts.extend({
  transition: z.enum(transitions),
  occurredAt: instant,
  correlationId: z.string(),
});
export type IncidentFacts = z.infer<typeof notificationFacts>;
