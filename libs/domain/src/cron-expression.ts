import { Cron } from 'croner';

/**
 * Cron expressions in a time zone, as instants. Five fields (minute, hour, day of month, month, day of week) as Vixie
 * cron reads them, with names, ranges, lists and steps; the `L`, `W`, `#`, `+` and `?` of the library are taken too.
 *
 * Over a change of clocks they follow what the cron daemons do that run the jobs:
 *
 * - An expression without `*` or step in minute and hour names times of day. One that the night skips comes when the
 *   clocks have been put forward, once, whatever number of them was skipped; one that the night repeats comes the first
 *   time only.
 * - Any other expression names a rhythm. It goes on in real time: nothing comes for minutes that are skipped, and minutes
 *   that are repeated count twice.
 */

/** The schedule cannot produce a next instant: the expression does not parse, or nothing matches it any more. */
export class UnusableSchedule extends Error {
  override readonly name = 'UnusableSchedule';
}

const FIELDS = ['minute', 'hour', 'day of month', 'month', 'day of week'] as const;
type Field = (typeof FIELDS)[number];

/** Why an expression is not taken. */
export type CronRefusal =
  | { readonly kind: 'not five fields' }
  | { readonly kind: 'bad field'; readonly field: Field }
  | { readonly kind: 'never matches' };

/** Names that stand for an expression, as crontab(5) has them. `@reboot` is none: it is no time. */
export const CRON_NICKNAMES: ReadonlyMap<string, string> = new Map([
  ['@hourly', '0 * * * *'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
]);

/**
 * How far matches are looked for. Days and weekdays repeat every 28 years, or 40 across a century without a leap day; a
 * schedule without a match in that time has none. Without the bound the library looks at each year up to 3000.
 */
const SEARCHED_YEARS = 41;
/** Where a first match is looked for. Fixed, so that whether an expression is taken does not depend on the day. */
const ANY_INSTANT = Date.UTC(2026, 0, 1);

/** Why the expression cannot be a schedule in this zone; null when it can. The zone must be a known one. */
export function cronRefusal(expression: string, timezone: string): CronRefusal | null {
  const fields = fieldsOf(expression);
  if (fields.length !== FIELDS.length) return { kind: 'not five fields' };
  for (const [position, field] of FIELDS.entries()) {
    const alone = FIELDS.map((_, index) => (index === position ? fields[index] : '*')).join(' ');
    if (!isParsable(alone)) return { kind: 'bad field', field };
  }
  return run(expression, timezone, ANY_INSTANT, 'next') === null ? { kind: 'never matches' } : null;
}

/** The first match later than an instant. @throws UnusableSchedule */
export function matchAfter(expression: string, timezone: string, after: number): number {
  const next = run(expression, timezone, after, 'next');
  if (next === null) throw new UnusableSchedule('the cron expression has no match in the future');
  return next;
}

/** The last match earlier than an instant, or null when there is none. @throws UnusableSchedule */
export function matchBefore(expression: string, timezone: string, before: number): number | null {
  return run(expression, timezone, before, 'previous');
}

/**
 * A time zone as it is written, e.g. `Europe/Berlin` for `europe/berlin`; an older name of a zone stays what it is. Null
 * for a name that is no IANA zone (an offset such as `+02:00` is none).
 */
export function spelledTimezone(name: string): string | null {
  const known = knownTimezone(name);
  return known?.toLowerCase() === name.toLowerCase() ? known : known && name;
}

/** Abbreviations that are IANA names. The runtime knows more of them, and what it takes them for is a guess. */
const SHORT_ZONES = /^(CET|EET|EST|GMT|HST|MET|MST|PRC|ROC|ROK|UCT|UTC|WET)$/i;

/** The name under which the runtime knows a zone: one for all its aliases. */
function knownTimezone(name: string): string | null {
  if (!/^[a-z][\w+/-]*$/i.test(name) || (name.length <= 3 && !SHORT_ZONES.test(name))) return null;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function fieldsOf(expression: string): readonly string[] {
  const fields = expression.trim();
  return (CRON_NICKNAMES.get(fields.toLowerCase()) ?? fields).split(/\s+/);
}

/** The library takes a text with a colon for a date. */
const LEGAL = /^[\w*,/#+? -]+$/;

function isParsable(expression: string): boolean {
  if (!LEGAL.test(expression)) return false;
  try {
    new Cron(expression, { mode: '5-part', paused: true });
    return true;
  } catch {
    return false; // whatever the library says of it: it is for people who know which field they wrote
  }
}

function run(expression: string, timezone: string, from: number, direction: 'next' | 'previous'): number | null {
  try {
    const cron = parsed(expression, timezone, new Date(from).getUTCFullYear());
    const at = new Date(from);
    const match = direction === 'next' ? cron.nextRun(at) : cron.previousRuns(1, at)[0];
    return match?.getTime() ?? null;
  } catch (cause) {
    if (cause instanceof UnusableSchedule) throw cause;
    throw new UnusableSchedule('the cron expression could not be evaluated', { cause });
  }
}

/** Parsing costs more than asking, and thousands of heartbeats share a few expressions. One takes about 90 kB. */
const parsedExpressions = new Map<string, Cron>();
const PARSED_EXPRESSIONS_KEPT = 250;

/** The expression, with matches in the years around one. */
function parsed(expression: string, timezone: string, year: number): Cron {
  const key = `${year} ${timezone} ${expression}`;
  const known = parsedExpressions.get(key);
  if (known) return known;
  const fields = fieldsOf(expression);
  const zone = knownTimezone(timezone);
  if (zone === null) throw new UnusableSchedule('the time zone is not known');
  if (fields.length !== FIELDS.length || !isParsable(fields.join(' '))) {
    throw new UnusableSchedule('the cron expression is not valid');
  }
  const withSecondsAndYears = `0 ${fields.join(' ')} ${Math.max(1, year - SEARCHED_YEARS)}-${year + SEARCHED_YEARS}`;
  // The zone under its one known name: the library keeps what it needs for a zone for ever, for each name anew.
  const options = { timezone: zone, mode: '7-part', fixedTimeRule: 'no-wildcard', paused: true } as const;
  const cron = new Cron(withSecondsAndYears, options);
  if (parsedExpressions.size >= PARSED_EXPRESSIONS_KEPT) parsedExpressions.clear();
  parsedExpressions.set(key, cron);
  return cron;
}
