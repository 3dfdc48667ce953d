import type { PingEntry, ToldIncident } from '../journal/entries';
import { mayOverlap, type Span, type Truth } from './truth';
import { clock } from './verdict';

/** A client that tries again does so for ten seconds, and its last attempt may take five. */
const TRIED_MS = 15_000;
/** A job on a busy machine may be late by this. */
const UNPUNCTUAL_MS = 1_000;

/**
 * What an alarm is, as far as anybody outside can say.
 *
 * - `true`: the job was silent
 * - `open`: the job meant to ping shortly before, and what came of that cannot be known
 * - `false`: it was not silent, or it could not get through for longer than a sensible client tries
 */
export type AlarmJudgement =
  { readonly kind: 'true' } | { readonly kind: 'open' } | { readonly kind: 'false'; readonly why: string };

export interface AlarmRules {
  /** How far clocks may have differed at that time. */
  readonly skewMs: number;
  /** Times in which no ping could be stored, as Flatline has to know. */
  readonly outages: readonly Span[];
  readonly leaseMs: number;
}

/**
 * Judges one incident. The rule in its own words: whoever has given a sign of life cannot be down before
 * `alertAfterMisses` intervals and the grace have passed since; whoever tries all the time is not silent; and whoever
 * tried in time while Flatline was away, and comes within a lease of its return, is not late.
 */
export function judgeAlarm(truth: Truth, incident: ToldIncident, rules: AlarmRules): AlarmJudgement {
  const { startedAt: downAt } = incident;
  const { skewMs } = rules;
  const { alarmAfterMs, doubts, dues, pauses, proofs } = truth;
  const isPaused = pauses.some(
    ({ begins, ends }) => begins.to + skewMs < downAt && (ends === null || downAt < ends.from - skewMs),
  );
  if (isPaused) return { kind: 'false', why: `down at ${clock(downAt)}, when it was paused` };

  const last = proofs.findLast(({ to }) => to < downAt - skewMs);
  if (!last) {
    if (doubts.some(({ from }) => from < downAt)) return { kind: 'open' };
    return proofs.some(({ from }) => from <= downAt)
      ? { kind: 'open' }
      : { kind: 'false', why: `down at ${clock(downAt)}, and it had never pinged` };
  }
  if (downAt < last.from + alarmAfterMs - skewMs) {
    const since = `${((downAt - last.from) / 1000).toFixed(1)} s`;
    return {
      kind: 'false',
      why: `down at ${clock(downAt)}, ${since} after the sign of life of ${clock(last.from)}; ${alarmAfterMs / 1000} s are allowed`,
    };
  }
  const held = heldUp(truth, last, downAt, rules);
  if (held && incident.reason !== 'unverified') {
    const since = clock(held.sentAt);
    return { kind: 'false', why: `down at ${clock(downAt)}; it had tried at ${since}, when nobody could get through` };
  }
  const meant = dues.filter((at) => at > last.to && at < downAt);
  const tried = meant.find((at) => at + TRIED_MS < downAt - skewMs);
  if (tried === undefined || !wentOn(truth, tried, downAt))
    return meant.length > 0 ? { kind: 'open' } : { kind: 'true' };
  // Told so after repeated blackouts, and says so.
  if (incident.reason === 'unverified') return { kind: 'open' };
  return {
    kind: 'false',
    why: `down at ${clock(downAt)}; it had tried since ${clock(tried)} and could not get through`,
  };
}

/**
 * An attempt that was in time, met an outage, and was made good as soon as that was possible. In time means that there was
 * no silence before it that is worth an alarm, however late that came.
 */
function heldUp(
  { attempts, proofs, alarmAfterMs }: Truth,
  last: Span,
  downAt: number,
  { outages, skewMs, leaseMs }: AlarmRules,
): PingEntry | undefined {
  const inTimeUntil = Math.min(downAt, last.from + alarmAfterMs) - skewMs;
  return attempts.find(({ sentAt, endedAt, status }) => {
    if (status === 200 || sentAt <= last.to || sentAt >= inTimeUntil) return false;
    const made = proofs.find(({ from }) => from > sentAt);
    return outages.some(
      ({ from, to }) =>
        from < Math.min(endedAt, downAt - skewMs) &&
        to > sentAt &&
        made !== undefined &&
        made.to < to + leaseMs - UNPUNCTUAL_MS,
    );
  });
}

/** Whether the job went on from one instant to another: never silent for long enough for an alarm, nor at the end. */
function wentOn({ alarmAfterMs, attempts, dues, job }: Truth, from: number, to: number): boolean {
  const signs = [...dues.map((at) => ({ sentAt: at, endedAt: at })), ...attempts]
    .filter(({ sentAt, endedAt }) => endedAt >= from && sentAt < to)
    .sort((a, b) => a.sentAt - b.sentAt);
  let heardAt = from;
  for (const { sentAt, endedAt } of signs) {
    if (sentAt - heardAt > alarmAfterMs) return false;
    heardAt = Math.max(heardAt, endedAt);
  }
  return to - heardAt < job.intervalMs + UNPUNCTUAL_MS;
}

/** A time in which nothing can have come from the job, long enough that an alarm had to come. */
export interface DueAlarm {
  /** Between which signs of life; Infinity: none came any more. */
  readonly silence: Span;
  /** When it had to be down at the latest. */
  readonly dueAt: number;
}

export interface DueRules {
  /** While these last, pings may not get through and deadlines may be put off; oldest first. */
  readonly disturbances: readonly Span[];
  readonly leaseMs: number;
  readonly skewMs: number;
  /** Later than this nothing is due any more. */
  readonly until: number;
}

/** The alarms that had to come, one for each silence at most. */
export function dueAlarms(truth: Truth, rules: DueRules): DueAlarm[] {
  const { proofs } = truth;
  return proofs.flatMap((proof, index) => {
    const silence = { from: proof.from, to: proofs[index + 1]?.to ?? Infinity };
    const quietUntil = Math.min(proofs[index + 1]?.from ?? Infinity, rules.until);
    const dueAt = freeSpans(truth, { from: proof.to, to: quietUntil })
      .map((free) => ({ free, dueAt: latestDeadline(truth, free, rules) }))
      .find((each) => each.dueAt + rules.skewMs < each.free.to)?.dueAt;
    return dueAt === undefined ? [] : [{ silence, dueAt }];
  });
}

/** The parts of a span in which nothing can have come from the job and it was not paused. */
function freeSpans({ doubts, pauses }: Truth, within: Span): Span[] {
  const busy = [
    ...doubts,
    ...pauses.map(({ begins, ends }) => ({ from: begins.from, to: ends === null ? Infinity : ends.to })),
  ]
    .filter(({ from, to }) => to > within.from && from < within.to)
    .sort((a, b) => a.from - b.from);
  const free: Span[] = [];
  let from = within.from;
  for (const each of busy) {
    if (each.from > from) free.push({ from, to: each.from });
    from = Math.max(from, each.to);
  }
  if (from < within.to) free.push({ from, to: within.to });
  return free;
}

/**
 * When a job that is silent from here on must be down, at the latest. A fault nearby may have made periods unknown; then
 * it takes as many whole periods from its end as it takes misses, and one that was begun.
 */
function latestDeadline({ job, alarmAfterMs }: Truth, { from }: Span, { disturbances, leaseMs }: DueRules): number {
  const touchedFrom = from - job.intervalMs - job.graceMs;
  let dueAt = from + alarmAfterMs;
  for (const disturbance of disturbances) {
    if (disturbance.from <= dueAt && disturbance.to >= touchedFrom) {
      dueAt = Math.max(dueAt, disturbance.to + leaseMs + job.intervalMs + alarmAfterMs);
    }
  }
  return dueAt;
}

/** What had to be told by then: later when something was in the way of telling. */
export function tellBy(dueAt: number, promptMs: number, disturbances: readonly Span[]): number {
  let by = dueAt + promptMs;
  for (const disturbance of disturbances) {
    if (disturbance.from <= by && disturbance.to >= dueAt) by = Math.max(by, disturbance.to + promptMs);
  }
  return by;
}

/** Whether an incident can have been ended by this heartbeat's person, who paused it. */
export function mayBeClosedByPause({ pauses }: Truth, at: number, skewMs: number): boolean {
  return pauses.some((pause) => mayOverlap(pause, { from: at - skewMs, to: at + skewMs }));
}
