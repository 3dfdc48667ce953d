import { Cron } from 'croner';
import type { Schedule } from './heartbeat';

/**
 * Schedule maths: the expected instants E(1), E(2), … after a baseline L. For an interval I, E(k) = L + k·I. For a cron
 * expression E(k) is the k-th match after L in its zone, as an instant in UTC (so grace is added after conversion and
 * a clock change inside the grace time moves nothing).
 */

/** The schedule cannot produce a next instant: the expression does not parse, or nothing matches it any more. */
export class UnusableSchedule extends Error {
  override readonly name = 'UnusableSchedule';
}

/**
 * The first expected instant that is later than `after` (or, with `inclusive`, not earlier).
 *
 * @param baselineAt L, in ms. `after` may lie before it; the answer never does.
 * @throws UnusableSchedule
 */
export function nextExpected(schedule: Schedule, baselineAt: number, after: number, inclusive = false): number {
  const bound = inclusive ? after - 1 : after;
  if (schedule.kind === 'cron')
    return nextCronMatch(schedule.expression, schedule.timezone, Math.max(baselineAt, bound));
  const intervalMs = schedule.intervalSecs * 1000;
  if (!(intervalMs > 0)) throw new UnusableSchedule('the interval is not longer than nothing');
  const k = Math.max(1, Math.floor((bound - baselineAt) / intervalMs) + 1);
  return baselineAt + k * intervalMs;
}

/** The expected instant before `expectedAt`, or L itself when that was the first. Used for "the period it belongs to". */
export function previousExpected(schedule: Schedule, baselineAt: number, expectedAt: number): number {
  if (schedule.kind === 'interval') return Math.max(baselineAt, expectedAt - schedule.intervalSecs * 1000);
  const [previous] = cron(schedule.expression, schedule.timezone).previousRuns(1, new Date(expectedAt));
  return previous ? Math.max(baselineAt, previous.getTime()) : baselineAt;
}

/** Parsing an expression costs far more than asking it; thousands of heartbeats share a few expressions. */
const parsedExpressions = new Map<string, Cron>();
const PARSED_EXPRESSIONS_KEPT = 1_000;

function cron(expression: string, timezone: string): Cron {
  const key = `${timezone} ${expression}`;
  const known = parsedExpressions.get(key);
  if (known) return known;
  let parsed: Cron;
  try {
    parsed = new Cron(expression, { timezone, mode: '5-part', paused: true });
  } catch (cause) {
    throw new UnusableSchedule('the cron expression or its time zone is not valid', { cause });
  }
  if (parsedExpressions.size >= PARSED_EXPRESSIONS_KEPT) parsedExpressions.clear();
  parsedExpressions.set(key, parsed);
  return parsed;
}

function nextCronMatch(expression: string, timezone: string, after: number): number {
  let next: Date | null;
  try {
    next = cron(expression, timezone).nextRun(new Date(after));
  } catch (cause) {
    if (cause instanceof UnusableSchedule) throw cause;
    throw new UnusableSchedule('the cron expression could not be evaluated', { cause });
  }
  if (!next) throw new UnusableSchedule('the cron expression has no match in the future');
  return next.getTime();
}
