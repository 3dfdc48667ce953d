import { createZodDto } from 'nestjs-zod';
import { z } from 'zod';
import { blackoutSpan } from '../blackouts/blackout-schemas';
import { instantField } from '../requests/fields';
import { historyPageQuery, nextCursorField } from '../requests/page';

const pingSchema = z.object({
  id: z.uuid(),
  heartbeat_id: z.uuid(),
  pinged_at: instantField,
  kind: z.enum(['success', 'start', 'fail', 'log']),
});

export const pingListSchema = z.object({ pings: z.array(pingSchema), next_cursor: nextCursorField });
export type PingList = z.input<typeof pingListSchema>;

const incidentSchema = z.object({
  id: z.uuid(),
  started_at: instantField.describe('When it went down: the deadline that passed, or the failure reported.'),
  ended_at: instantField.nullable().describe('Null while it lasts.'),
  reason: z.enum(['missed', 'failed', 'overrun', 'unverified']),
  misses: z.int(),
  raised_in_error: z.boolean().describe('The ping had come in time; only our knowledge of it came late.'),
});

export const incidentListSchema = z.object({ incidents: z.array(incidentSchema), next_cursor: nextCursorField });
export type IncidentList = z.input<typeof incidentListSchema>;

const transitionSchema = z.object({
  id: z.uuid(),
  kind: z
    .enum(['missed', 'unknown', 'down', 'recovered', 'closed'])
    .describe(
      'missed: pings did not come. unknown: jobs could not reach Flatline, so nothing can be said of this deadline and ' +
        'those until the end of the blackout. down, recovered: people were told. closed: an incident ended by a pause.',
    ),
  occurred_at: instantField.describe('When it happened, not when it was noticed: the first deadline, or the ping.'),
  incident_id: z.uuid().nullable(),
  last_at: instantField.nullable().describe('The last deadline of a run of misses.'),
  misses: z.int().nullable().describe('How many pings of a run did not come.'),
  blackout: blackoutSpan.nullable().describe('Why a deadline is unknown, or why a heartbeat is down as `unverified`.'),
});

export const transitionListSchema = z.object({
  transitions: z.array(transitionSchema),
  next_cursor: nextCursorField,
});
export type TransitionList = z.input<typeof transitionListSchema>;

export class HistoryQueryDto extends createZodDto(historyPageQuery) {}
export class PingListDto extends createZodDto(pingListSchema) {}
export class IncidentListDto extends createZodDto(incidentListSchema) {}
export class TransitionListDto extends createZodDto(transitionListSchema) {}
