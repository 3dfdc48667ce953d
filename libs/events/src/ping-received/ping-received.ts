import { z } from 'zod';
import { defineEvent, instant } from '../envelope';
import { PINGS_TOPIC } from '../topics';

/** The kinds of signal a job can send. Exit codes are turned into `success` (0) or `fail` at the edge. */
export const signalKind = z.enum(['success', 'start', 'fail', 'log']);

/**
 * A ping was received by an ingest. The envelope's id is the ping's id, its key the heartbeat's id.
 *
 * `receivedAt` decides whether it was on time. Where the ingest stood still before it read the call, `arrivedAfter` does:
 * the last instant at which it had certainly not come yet. `sequence` is the ingest's running number in this partition, from 1: a
 * consumer that counts fewer than the pulses claim has found lost data. `bodyBase64` holds at most the first 10 kB.
 */
export const pingReceived = defineEvent(
  'ping.received',
  PINGS_TOPIC,
  z.object({
    heartbeatId: z.uuid(),
    generation: z.number().int().nonnegative(),
    kind: signalKind,
    receivedAt: instant,
    arrivedAfter: instant.optional(),
    ingestId: z.string(),
    epoch: z.number().int(),
    sequence: z.number().int(),
    method: z.string().max(16).optional(),
    userAgent: z.string().max(200).optional(),
    bodyBase64: z.string().optional(),
  }),
);
