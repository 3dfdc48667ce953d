import { z } from 'zod';
import { defineEvent, instant } from '../envelope';
import { HEARTBEATS_TOPIC } from '../topics';

export const pauseSpan = z.object({ pausedAt: instant, resumedAt: instant.nullable() });

/**
 * A heartbeat was created or its definition changed (paused and resumed included). Carries the whole definition; a
 * consumer keeps the highest `version` it has seen and ignores lower ones.
 */
export const heartbeatDefined = defineEvent(
  'heartbeat.defined',
  HEARTBEATS_TOPIC,
  z.object({
    heartbeatId: z.uuid(),
    projectId: z.uuid(),
    version: z.number().int().positive(),
    name: z.string(),
    schedule: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('interval'), intervalSecs: z.number().int().positive() }),
      z.object({ kind: z.literal('cron'), expression: z.string(), timezone: z.string() }),
    ]),
    graceSecs: z.number().int().nonnegative(),
    alertAfterMisses: z.number().int().positive(),
    scheduleChangedAt: instant,
    pauseSpans: z.array(pauseSpan),
    tokenGeneration: z.number().int().nonnegative(),
  }),
);
