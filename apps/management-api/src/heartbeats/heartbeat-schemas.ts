import { createZodDto } from 'nestjs-zod';
import { z } from 'zod';
import { instantField, integerField, nameField } from '../requests/fields';
import { listQuery, nextCursorField } from '../requests/page';
import {
  eitherIntervalOrCron,
  LONGEST_SECS,
  notTogether,
  scheduleFields,
  timezoneNeedsSchedule,
} from './schedule-fields';

/** When neither an interval nor a cron expression is given. */
export const DEFAULT_INTERVAL_SECS = 3_600;
const DEFAULT_GRACE_SECS = 300;
const MOST_MISSES = 100;
const DEFAULT_ALERT_AFTER_MISSES = 2;

const graceSecs = integerField(0, LONGEST_SECS);
const alertAfterMisses = integerField(1, MOST_MISSES);

const NOT_AN_OBJECT = 'must be a JSON object';

export const createHeartbeatSchema = z
  .object(
    {
      name: nameField,
      ...scheduleFields,
      interval_secs: scheduleFields.interval_secs.meta({
        description: 'Seconds between two pings.',
        default: DEFAULT_INTERVAL_SECS,
      }),
      grace_secs: graceSecs
        .default(DEFAULT_GRACE_SECS)
        .describe('Seconds a ping may be late before it counts as missed.'),
      alert_after_misses: alertAfterMisses
        .default(DEFAULT_ALERT_AFTER_MISSES)
        .describe('People are told at this miss in a row.'),
    },
    NOT_AN_OBJECT,
  )
  .check(...eitherIntervalOrCron, timezoneNeedsSchedule)
  .meta({ ...notTogether, dependentRequired: { timezone: ['schedule'] } });
export type CreateHeartbeat = z.output<typeof createHeartbeatSchema>;

export const updateHeartbeatSchema = z
  .object(
    {
      name: nameField.optional(),
      ...scheduleFields,
      grace_secs: graceSecs.optional(),
      alert_after_misses: alertAfterMisses.optional(),
      status: z
        .enum(['active', 'paused'], 'must be "active" or "paused"')
        .optional()
        .describe('`paused` pauses, `active` resumes.'),
    },
    NOT_AN_OBJECT,
  )
  .check(...eitherIntervalOrCron)
  .meta(notTogether);
export type UpdateHeartbeat = z.output<typeof updateHeartbeatSchema>;

export const heartbeatSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  token: z.string().describe('The credential in the ping URL.'),
  ping_url: z.string().describe('Call it at the end of every good run: GET, HEAD or POST, no key needed.'),
  interval_secs: z
    .int()
    .describe('Seconds between two pings; with a `schedule` about that: the shortest distance between its matches.'),
  schedule: z.string().nullable().describe('The cron expression; null for an interval.'),
  timezone: z.string().nullable().describe('The IANA time zone of `schedule`; null for an interval.'),
  grace_secs: z.int(),
  alert_after_misses: z.int(),
  status: z.enum(['active', 'paused', 'failing']),
  misconfigured: z
    .string()
    .nullable()
    .describe('Why nobody would be told if its pings stopped, such as a schedule that never comes again; else null.'),
  consecutive_misses: z.int(),
  consecutive_unknowns: z.int().describe('Deadlines in a row that nothing can be said of, because Flatline was away.'),
  last_pinged_at: instantField.nullable(),
  next_expected_at: instantField.nullable(),
  created_at: instantField,
  updated_at: instantField,
});
export type HeartbeatView = z.input<typeof heartbeatSchema>;

export const heartbeatListSchema = z.object({ heartbeats: z.array(heartbeatSchema), next_cursor: nextCursorField });
export type HeartbeatList = z.input<typeof heartbeatListSchema>;

export class CreateHeartbeatDto extends createZodDto(createHeartbeatSchema) {}
export class UpdateHeartbeatDto extends createZodDto(updateHeartbeatSchema) {}
export class HeartbeatDto extends createZodDto(heartbeatSchema) {}
export class HeartbeatListDto extends createZodDto(heartbeatListSchema) {}
export class ListQueryDto extends createZodDto(listQuery) {}
