import { z } from 'zod';
import { defineEvent, instant } from '../envelope';
import { HEARTBEATS_TOPIC } from '../topics';

/** A heartbeat was deleted: its token is dead for ever, its timer, state and history go. */
export const heartbeatDeleted = defineEvent(
  'heartbeat.deleted',
  HEARTBEATS_TOPIC,
  z.object({
    heartbeatId: z.uuid(),
    projectId: z.uuid(),
    version: z.number().int().positive(),
    deletedAt: instant,
  }),
);
