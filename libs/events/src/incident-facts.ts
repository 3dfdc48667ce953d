import { z } from 'zod';
import { instant } from './envelope';

/** Why a heartbeat went down. */
export const incidentReason = z.enum(['missed', 'failed', 'overrun', 'unverified']);

/**
 * Everything a message about an incident needs, as it was when the incident opened or resolved: whoever tells people
 * reads this and no table of somebody else's.
 */
export const incidentFacts = z.object({
  projectId: z.uuid(),
  heartbeat: z.object({
    id: z.uuid(),
    name: z.string(),
    /** The word of the public contract: `failing` when down, `active` after recovery. */
    status: z.enum(['active', 'failing', 'paused']),
    /** Null for a cron schedule. */
    intervalSecs: z.number().int().positive().nullable(),
    /** The cron expression and its IANA time zone; null for an interval, absent in events of before there were any. */
    schedule: z.string().nullish(),
    timezone: z.string().nullish(),
    graceSecs: z.number().int().nonnegative(),
    lastPingedAt: instant.nullable(),
  }),
  incident: z.object({
    id: z.uuid(),
    startedAt: instant,
    endedAt: instant.nullable(),
    reason: incidentReason,
    misses: z.number().int().nonnegative(),
    /** True in a recovery whose ping had come in time: the alarm was ours, not the job's. Not there otherwise. */
    raisedInError: z.boolean().optional(),
    /** Why it is `unverified`: the last time before it in which no job could reach Flatline. Not there otherwise. */
    blackout: z.object({ startedAt: instant, endedAt: instant }).optional(),
  }),
});
export type IncidentEventData = z.infer<typeof incidentFacts>;
