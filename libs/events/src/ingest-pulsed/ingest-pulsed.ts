import { z } from 'zod';
import { defineEvent, instant } from '../envelope';
import { PINGS_TOPIC } from '../topics';

/**
 * An ingest says that it is alive and how far it is. Written into every partition of the pings topic.
 *
 * `lowWatermark`: every ping this ingest accepted before that instant is already ahead of this record.
 * `acceptingSince`: it has taken every valid ping since; a later value than before means jobs were turned away between.
 * `acknowledged`: pings it has stored in this partition in this epoch. `retiring`: this is its last record.
 */
export const ingestPulsed = defineEvent(
  'ingest.pulsed',
  PINGS_TOPIC,
  z.object({
    // It is kept with the position of the shard: one that Postgres refuses there would stop the shard.
    ingestId: z.string().regex(/^[\x20-\x7e]{1,200}$/),
    epoch: z.number().int().positive(),
    lowWatermark: instant,
    acceptingSince: instant,
    acknowledged: z.number().int().nonnegative(),
    retiring: z.boolean(),
  }),
);
