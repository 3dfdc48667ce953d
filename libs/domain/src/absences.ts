import type { Absence } from './heartbeat';

/** Numbers the rule of absence needs, from the configuration. */
export interface AbsenceRules {
  /**
   * An absence shorter than this extends deadlines; from this length up it makes them unknown. The same length is
   * what clients get after an absence to come back with a retry. Ms; INGEST_LEASE_SECONDS.
   */
  readonly leaseMs: number;
}

/** What the deadline rule is told besides the heartbeat. */
export interface RuleContext {
  /** Absences of the heartbeat's shard, oldest first. */
  readonly absences: readonly Absence[];
  readonly rules: AbsenceRules;
}

/** One expected ping: it may come after `startAt` (the expected instant before, or L) and until E + G. */
export interface Period {
  readonly startAt: number;
  readonly expectedAt: number;
  readonly graceMs: number;
}

/**
 * Absences closer together than this are one outage: pulses are a quarter of a second apart, and an outage flickers.
 * So one that goes on grows with every pulse and keeps its start.
 */
const ONE_OUTAGE_WITHIN_MS = 1_000;

/**
 * Absences that have become certain, added to those known before; oldest first, and none of the new ones earlier than
 * the known. This alone decides what is one outage.
 */
export function withAbsences(known: readonly Absence[], added: readonly Absence[]): readonly Absence[] {
  if (added.length === 0) return known;
  const all = [...known];
  for (const absence of added) {
    const last = all.at(-1);
    if (last && absence.startedAt - last.endedAt <= ONE_OUTAGE_WITHIN_MS) {
      all[all.length - 1] = { ...last, endedAt: Math.max(last.endedAt, absence.endedAt) };
    } else {
      all.push(absence);
    }
  }
  return all;
}

/** What of them lies before an instant: the clock of the log was set back to that one, and what is after it was not yet. */
export function absencesUntil(absences: readonly Absence[], at: number): readonly Absence[] {
  return absences
    .filter(({ startedAt }) => startedAt < at)
    .map((absence) => (absence.endedAt > at ? { ...absence, endedAt: at } : absence));
}

/** The absences that can grow no more since the watermark went from one instant to another; null: there was none yet. */
export function overSince(absences: readonly Absence[], from: number | null, to: number | null): readonly Absence[] {
  const isOver = ({ endedAt }: Absence, at: number | null): boolean =>
    at !== null && endedAt + ONE_OUTAGE_WITHIN_MS < at;
  const firstOver = absences.findLastIndex((absence) => isOver(absence, from)) + 1;
  return absences.slice(firstOver).filter((absence) => isOver(absence, to));
}

/** Whether an absence is long enough that retries of clients cannot be expected to have bridged it. */
export function isBlackout(absence: Absence, rules: AbsenceRules): boolean {
  return absence.endedAt - absence.startedAt >= rules.leaseMs;
}

export type AbsenceKind = 'short' | 'blackout';

export function kindOf(absence: Absence, rules: AbsenceRules): AbsenceKind {
  return isBlackout(absence, rules) ? 'blackout' : 'short';
}

/**
 * When silence may be judged, given what we know about our own absences: E + G, or one lease after the end of an absence
 * that touches the period, whichever is later. A ping until then is on time. The lease stands still while we are away
 * again: whoever comes back has it whole, and however often we come and go, it ends.
 *
 * Touched by a short absence: [E - G, E + G], where a job that keeps time pings. By a blackout: the whole period, because
 * all of a job's attempts may have fallen into it.
 */
export function effectiveDeadline(period: Period, absences: readonly Absence[], rules: AbsenceRules): number {
  const deadlineAt = period.expectedAt + period.graceMs;
  const earliestAt = Math.min(period.startAt, period.expectedAt - period.graceMs);
  let effective = deadlineAt;
  // Nearly always there is none since the last ping, and the last one that is over already is the newest.
  for (
    let index = absences.findLastIndex(({ endedAt }) => endedAt < earliestAt) + 1;
    index < absences.length;
    index += 1
  ) {
    const absence = absences[index]!;
    if (absence.startedAt > effective) break;
    if (absence.startedAt > deadlineAt) effective += absence.endedAt - absence.startedAt;
    else if (touches(absence, period, rules)) effective = Math.max(effective, absence.endedAt + rules.leaseMs);
  }
  return effective;
}

/** The last blackout that touches a period, or the lease after it, if any: what happened in it cannot be known. */
export function blackoutWithin(period: Period, absences: readonly Absence[], rules: AbsenceRules): Absence | undefined {
  const until = effectiveDeadline(period, absences, rules);
  return absences.findLast(
    (absence) => isBlackout(absence, rules) && absence.startedAt <= until && absence.endedAt > period.startAt,
  );
}

/** How much of a time was outside blackouts, in ms: so long jobs could have reached us. */
export function observedMs(from: number, to: number, absences: readonly Absence[], rules: AbsenceRules): number {
  let observed = Math.max(0, to - from);
  for (const absence of absences) {
    if (!isBlackout(absence, rules)) continue;
    observed -= Math.max(0, Math.min(absence.endedAt, to) - Math.max(absence.startedAt, from));
  }
  return observed;
}

/** Of an absence that does not begin after E + G. */
function touches(absence: Absence, { startAt, expectedAt, graceMs }: Period, rules: AbsenceRules): boolean {
  return isBlackout(absence, rules) ? absence.endedAt > startAt : absence.endedAt >= expectedAt - graceMs;
}
