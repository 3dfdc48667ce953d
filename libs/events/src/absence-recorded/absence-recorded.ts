import { z } from 'zod';
import { defineEvent, instant } from '../envelope';
import { ABSENCES_TOPIC } from '../topics';

/**
 * An absence of ours is over: for that time no job could reach Flatline with a ping of this shard. `occurredAt` is its
 * end.
 *
 * After an operator adopted an event log it is the time of which nobody knows what jobs said.
 *
 * A `short` one moved the deadlines it touched. After a `blackout` (a lease or longer) they are unknown. The key is
 * `shard-` and the number of the shard.
 */
export const absenceRecorded = defineEvent(
  'absence.recorded',
  ABSENCES_TOPIC,
  z.object({
    shard: z.number().int().nonnegative(),
    kind: z.enum(['short', 'blackout']),
    startedAt: instant,
    endedAt: instant,
  }),
);
