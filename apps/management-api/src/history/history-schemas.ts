import { createZodDto } from 'nestjs-zod';
import { z } from 'zod';
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

export class HistoryQueryDto extends createZodDto(historyPageQuery) {}
export class PingListDto extends createZodDto(pingListSchema) {}
export class IncidentListDto extends createZodDto(incidentListSchema) {}
