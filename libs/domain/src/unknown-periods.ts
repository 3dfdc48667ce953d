import { blackoutWithin, observedMs, type Period, type RuleContext } from './absences';
import type { Absence, HeartbeatDefinition, RuntimeState } from './heartbeat';
import { nextExpected, previousExpected } from './schedule';

/** What a blackout does to the periods it touches: (n) and (q) of the deadline rule, whose docstring says why. */

/** One blackout never takes a heartbeat down by itself, also where the first miss would. */
const LEAST_UNKNOWNS = 2;

/** The period that ends with an expected instant. */
export function periodOf({ schedule, graceSecs }: HeartbeatDefinition, baselineAt: number, expectedAt: number): Period {
  return { startAt: previousExpected(schedule, baselineAt, expectedAt), expectedAt, graceMs: graceSecs * 1000 };
}

/** One unknown more, and straight to the first period that begins after the blackout, however many lie in it. */
export function afterBlackout(
  { schedule }: HeartbeatDefinition,
  state: RuntimeState,
  expectedAt: number,
  blackout: Absence,
): RuntimeState {
  const baselineAt = state.baselineAt!;
  const resumesAt = Math.max(expectedAt, nextExpected(schedule, baselineAt, blackout.endedAt, true));
  return {
    ...state,
    unknowns: state.unknowns + 1,
    nextExpectedAt: nextExpected(schedule, baselineAt, resumesAt),
  };
}

/**
 * (q) Whether an unknown period is one too many. I of a cron schedule is the distance to the next instant. What was
 * observed counts up to E + G: the lease that everybody gets after a blackout is longer than many an interval.
 */
export function isUnverified(
  definition: HeartbeatDefinition,
  state: RuntimeState,
  { expectedAt, graceMs }: Period,
  { absences, rules }: RuleContext,
): boolean {
  const baselineAt = state.baselineAt!;
  const silentSince = Math.max(baselineAt, definition.scheduleChangedAt);
  const observed = observedMs(silentSince, expectedAt + graceMs, absences, rules);
  const intervalMs = nextExpected(definition.schedule, baselineAt, expectedAt) - expectedAt;
  const oneRoundMs = intervalMs + graceMs;
  const rounds = Math.max(LEAST_UNKNOWNS, definition.alertAfterMisses);
  return observed >= oneRoundMs && (state.unknowns >= rounds || observed >= rounds * oneRoundMs);
}

/** The deadline inside a blackout that was still waiting when a success came; undefined where there is none. */
export function waitingInBlackout(
  definition: HeartbeatDefinition,
  { nextExpectedAt, baselineAt, incident }: RuntimeState,
  arrivedAt: number,
  { absences, rules }: RuleContext,
): { readonly at: number; readonly blackout: Absence } | undefined {
  if (nextExpectedAt === null || baselineAt === null || incident) return undefined;
  const at = nextExpectedAt + definition.graceSecs * 1000;
  if (at >= arrivedAt) return undefined;
  const before = absences.filter(({ startedAt }) => startedAt < arrivedAt);
  const blackout = blackoutWithin(periodOf(definition, baselineAt, nextExpectedAt), before, rules);
  return blackout && { at, blackout };
}
