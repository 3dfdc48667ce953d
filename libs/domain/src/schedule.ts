import { matchAfter, matchBefore, UnusableSchedule } from './cron-expression';
import type { Schedule } from './heartbeat';

/**
 * Schedule maths: the expected instants E(1), E(2), … after a baseline L. For an interval I, E(k) = L + k·I. For a cron
 * expression E(k) is the k-th match after L in its zone, as an instant in UTC (so grace is added after conversion and
 * a clock change inside the grace time moves nothing).
 */

/**
 * The first expected instant that is later than `after` (or, with `inclusive`, not earlier).
 *
 * @param baselineAt L, in ms. `after` may lie before it; the answer never does.
 * @throws UnusableSchedule
 */
export function nextExpected(schedule: Schedule, baselineAt: number, after: number, inclusive = false): number {
  const bound = inclusive ? after - 1 : after;
  if (schedule.kind === 'cron') {
    return matchAfter(schedule.expression, schedule.timezone, Math.max(baselineAt, bound));
  }
  const intervalMs = schedule.intervalSecs * 1000;
  if (!(intervalMs > 0)) throw new UnusableSchedule('the interval is not longer than nothing');
  const k = Math.max(1, Math.floor((bound - baselineAt) / intervalMs) + 1);
  return baselineAt + k * intervalMs;
}

/**
 * The expected instant before `expectedAt`, or L itself when that was the first. Used for "the period it belongs to".
 *
 * @throws UnusableSchedule
 */
export function previousExpected(schedule: Schedule, baselineAt: number, expectedAt: number): number {
  if (schedule.kind === 'interval') return Math.max(baselineAt, expectedAt - schedule.intervalSecs * 1000);
  const previousAt = matchBefore(schedule.expression, schedule.timezone, expectedAt);
  return previousAt === null ? baselineAt : Math.max(baselineAt, previousAt);
}

/** Enough matches in a row to meet the shortest distance of nearly every schedule that people write. */
const MATCHES_LOOKED_AT = 12;
const SOME_YEAR = Date.UTC(2026, 0, 1);
const knownPeriods = new Map<string, number>();
const KNOWN_PERIODS_KEPT = 1_000;

/**
 * About how often a ping is expected, in seconds: the interval, or the shortest distance between a dozen matches of a
 * cron expression, by the calendar and without changes of clocks. For people and for clients that know intervals alone;
 * nothing is judged by it. 0 for a schedule that cannot be used.
 */
export function usualPeriodSecs(schedule: Schedule): number {
  if (schedule.kind === 'interval') return schedule.intervalSecs;
  const known = knownPeriods.get(schedule.expression);
  if (known !== undefined) return known;
  const period = shortestDistanceSecs(schedule.expression);
  if (knownPeriods.size >= KNOWN_PERIODS_KEPT) knownPeriods.clear();
  knownPeriods.set(schedule.expression, period);
  return period;
}

function shortestDistanceSecs(expression: string): number {
  let shortestMs = Infinity;
  try {
    let at = matchAfter(expression, 'UTC', SOME_YEAR);
    for (let looked = 1; looked < MATCHES_LOOKED_AT; looked += 1) {
      const next = matchAfter(expression, 'UTC', at);
      shortestMs = Math.min(shortestMs, next - at);
      at = next;
    }
  } catch (error) {
    if (error instanceof UnusableSchedule) return 0;
    throw error;
  }
  return shortestMs / 1000;
}
