import type { Absence } from './heartbeat';

/** Numbers the rule of absence needs, from the configuration. */
export interface AbsenceRules {
  /**
   * An absence shorter than this extends deadlines; from this length up it makes them unknown. The same length is
   * what clients get after a short absence to come back with a retry. Ms; INGEST_LEASE_SECONDS.
   */
  readonly leaseMs: number;
}

/**
 * When silence may be judged, given what we know about our own absences: a deadline whose [E - G, deadline] touches a
 * short absence is judged one lease after its end at the earliest, and a ping until then is on time. A deadline that
 * is later anyway stays where it is.
 */
export function effectiveDeadline(
  expectedAt: number,
  graceMs: number,
  absences: readonly Absence[],
  rules: AbsenceRules,
): number {
  const deadlineAt = expectedAt + graceMs;
  let effective = deadlineAt;
  for (const absence of absences) {
    if (isBlackout(absence, rules)) continue;
    const touches = absence.startedAt <= deadlineAt && absence.endedAt >= expectedAt - graceMs;
    if (touches) effective = Math.max(effective, absence.endedAt + rules.leaseMs);
  }
  return effective;
}

/** The blackout that touches (periodStart, deadline], if any: what happened in that period cannot be known. */
export function blackoutWithin(
  periodStartAt: number,
  deadlineAt: number,
  absences: readonly Absence[],
  rules: AbsenceRules,
): Absence | undefined {
  return absences.findLast(
    (absence) => isBlackout(absence, rules) && absence.startedAt <= deadlineAt && absence.endedAt > periodStartAt,
  );
}

/** Whether an absence is long enough that retries of clients cannot be expected to have bridged it. */
export function isBlackout(absence: Absence, rules: AbsenceRules): boolean {
  return absence.endedAt - absence.startedAt >= rules.leaseMs;
}
