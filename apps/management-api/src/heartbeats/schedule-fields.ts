import { CRON_NICKNAMES, cronRefusal, type CronRefusal, spelledTimezone } from '@flatline/domain';
import { z } from 'zod';
import { integerField } from '../requests/fields';

/**
 * The fields that say when a ping is expected: `interval_secs`, or `schedule` with `timezone`. Each says by itself what is
 * wrong with it; what is wrong between them is said for both, beside everything else.
 */

const DAY_SECS = 86_400;
/** A year and its leap day. */
export const LONGEST_SECS = 366 * DAY_SECS;

const SCHEDULE_MAX_CHARACTERS = 200;
const TIMEZONE_MAX_CHARACTERS = 64;
const NICKNAMES = [...CRON_NICKNAMES.keys()].join(', ');

const SCHEDULE_MESSAGE = `must be a cron expression of at most ${SCHEDULE_MAX_CHARACTERS} characters`;
const TIMEZONE_MESSAGE = 'must be the name of a time zone, such as Europe/Berlin';
export const NEEDS_A_SCHEDULE = 'needs a schedule';

const intervalSecs = integerField(1, LONGEST_SECS);

/** White space is made one blank each: the text stands in messages to people. */
const schedule = z
  .string(SCHEDULE_MESSAGE)
  .max(SCHEDULE_MAX_CHARACTERS, { error: SCHEDULE_MESSAGE, abort: true })
  .overwrite((text) => text.trim().replaceAll(/\s+/g, ' '))
  .superRefine((text, context) => {
    const refusal = cronRefusal(text, 'UTC');
    if (refusal) context.addIssue({ code: 'custom', message: complaintAbout(refusal) });
  })
  .describe(
    'A cron expression: minute, hour, day of month, month, day of week, with names, lists, ranges and steps; or one of ' +
      `${NICKNAMES}. Instead of \`interval_secs\`.`,
  )
  .meta({ pattern: '^\\s*(@\\w+|\\S+(\\s+\\S+){4})\\s*$', examples: ['30 2 * * MON-FRI', '@daily'] });

const timezone = z
  .string(TIMEZONE_MESSAGE)
  .max(TIMEZONE_MAX_CHARACTERS, { error: TIMEZONE_MESSAGE, abort: true })
  .transform((name, context) => {
    const spelled = spelledTimezone(name);
    if (spelled !== null) return spelled;
    context.addIssue({ code: 'custom', message: TIMEZONE_MESSAGE });
    return z.NEVER;
  })
  .optional()
  .meta({
    description: 'The IANA time zone of `schedule`, UTC unless given.',
    pattern: '^[A-Za-z][A-Za-z0-9_+/-]*$',
    examples: ['Europe/Berlin'],
  });

/** What is wrong with an expression, as the rest of a sentence that begins with the field's name. */
export function complaintAbout(refusal: CronRefusal): string {
  switch (refusal.kind) {
    case 'not five fields':
      return `must have five fields (minute, hour, day of month, month, day of week), or be one of ${NICKNAMES}`;
    case 'bad field':
      return `must have a valid ${refusal.field}`;
    case 'never matches':
      return 'must match some time: no year has such a day, or the time zone skips its hour';
  }
}

export const scheduleFields = {
  interval_secs: intervalSecs.optional().describe('Seconds between two pings.'),
  schedule: schedule.optional(),
  timezone,
};

/** What is wrong between fields, as JSON Schema can say it. */
export const notTogether = {
  allOf: [{ not: { required: ['interval_secs', 'schedule'] } }, { not: { required: ['interval_secs', 'timezone'] } }],
};

type Given = { readonly [Field in keyof typeof scheduleFields]?: unknown };

/** Also when other fields are wrong: an answer lists every problem. */
const whenAnObject = ({ value }: { value: unknown }) => typeof value === 'object' && value !== null;
const notWith = (field: keyof Given, other: keyof Given) =>
  z.refine<Given>((given) => given[field] === undefined || given[other] === undefined, {
    path: [field],
    error: `cannot be given together with ${other}`,
    when: whenAnObject,
  });

/** An interval or a cron expression, and a zone only for the latter. */
export const eitherIntervalOrCron = [
  notWith('interval_secs', 'schedule'),
  notWith('schedule', 'interval_secs'),
  notWith('timezone', 'interval_secs'),
] as const;

/** For a heartbeat that is yet to be: there is no schedule that the zone could be meant for. */
export const timezoneNeedsSchedule = z.refine<Given>(
  (given) => given.timezone === undefined || given.schedule !== undefined || given.interval_secs !== undefined,
  { path: ['timezone'], error: NEEDS_A_SCHEDULE, when: whenAnObject },
);
