import { blackoutWithin, effectiveDeadline, type RuleContext } from './absences';
import {
  openPause,
  wasPausedAt,
  type Absence,
  type HeartbeatDefinition,
  type OpenIncident,
  type RuntimeState,
  type Signal,
} from './heartbeat';
import { nextExpected } from './schedule';
import { afterBlackout, isUnverified, periodOf, waitingInBlackout } from './unknown-periods';

/**
 * The deadline rule: the one place that decides whether a heartbeat is down. Pure; `now` never appears, only the
 * instant a ping was received and the watermark.
 *
 * With L the last success (or the resume after it), E(k) the k-th expected instant after L and G the grace: miss k is
 * recorded at E(k) + G, and the heartbeat goes down at miss number `alertAfterMisses`.
 *
 * ```
 *              (a) first success                (d) enough misses, (q), or
 *   ┌─────┐ ─────────────────────▶ ┌────┐ ◀──┐      a fail signal       ┌──────┐
 *   │ new │                        │ up │ (b)│ ───────────────────────▶ │ down │
 *   └─────┘                        └────┘ ───┘ success                  └──────┘
 *      │                            │  ▲                                 ▲  │  │
 *      │              (c) a miss,   │  │ (e) success             (d) (q) │  │  │ (f) success: recovered
 *      │              not yet enough▼  │                                 │  │  └───▶ up
 *      │                           ┌──────┐ ─────────────────────────────┘  │
 *      │                           │ late │                                 │
 *      │                           └──────┘                                 │
 *      │ (g) pause                  │ (g) pause                             │ (g) pause: incident closed, nobody told
 *      ▼                            ▼                                       ▼
 *   ┌───────────────────────────── paused ─────────────────────────────────────┐
 *   └──────────────────────────────────────────────────────────────────────────┘
 *        (h) resume: up with L = resume time, or new when it was never pinged; tells nobody
 * ```
 *
 * - (i) A signal at or before the newest applied one, or before L, changes nothing (it is history).
 * - (j) A signal that fell into a pause changes nothing but `lastPingAt`.
 * - (k) An expected instant before the definition's `scheduleChangedAt` is never a miss.
 * - (l) A signal after a deadline first yields the misses that lie between, then what it does itself. One that an ingest
 *   read late counts for that as of the earliest instant it can have come (`arrivedAfter`): the delay was ours.
 * - (m) A deadline touched by an absence of ours waits until one lease after its end, and a ping until then is on time
 *   (absences.ts). The lease stands still while we are away again. After a short absence, silence is a miss as ever.
 * - (n) After a blackout, also one that began within that lease, it is `unknown`: no miss, misses before it stay counted,
 *   and the first period that begins after the blackout is judged as usual. A blackout counts once, however many periods
 *   lie in it: otherwise one outage of ours would alert everybody. A success that still comes in time leaves a deadline
 *   inside the blackout as unknown, too.
 * - (o) A success from before the deadline that found the heartbeat down already ends the incident as raised in error;
 *   unless it changes nothing, because a cron schedule expects the same instant after it, too.
 * - (p) A first success from before a pause that comes by during or after it is the first ping all the same: L is the
 *   resume, and a job that falls silent then is missed.
 * - (q) Unknowns cannot go on for ever, or blackouts that repeat would hide a dead job. With N = `alertAfterMisses`, but
 *   at least 2, the heartbeat goes down as `unverified` at the N-th unknown in a row, or at any unknown when N·(I + G) of
 *   observed time (outside blackouts) have passed since L without a success. Not before I + G of it have: an outage that
 *   comes and goes gave the job no chance to be heard.
 * - (r) A signal waits while a deadline lies between the watermark and itself: one from before the deadline, which another
 *   ingest took, may come out of the log after it. What comes meanwhile is applied first where it is on time.
 */

/** Something that happened to a heartbeat, dated when it truly happened, never when it was noticed. */
export type Fact =
  | {
      /** Misses noticed together, of the run that began after `sinceAt` (L). */
      readonly kind: 'missed';
      readonly sinceAt: number;
      readonly firstAt: number;
      readonly lastAt: number;
      /** Of the whole run so far, those noticed earlier included. */
      readonly misses: number;
    }
  /** From this deadline on nothing can be known until the blackout was over. */
  | { readonly kind: 'unknown'; readonly at: number; readonly blackout: Absence }
  | {
      readonly kind: 'wentDown';
      readonly at: number;
      readonly incident: OpenIncident;
      /** Why we could not tell: the last blackout before it; only where the reason is `unverified`. */
      readonly blackout?: Absence;
    }
  | {
      readonly kind: 'recovered';
      readonly at: number;
      readonly incident: OpenIncident;
      /** The ping had come in time; only our knowledge of it came late. */
      readonly raisedInError: boolean;
    }
  | { readonly kind: 'incidentClosed'; readonly at: number; readonly incident: OpenIncident };

export interface RuleResult {
  readonly state: RuntimeState;
  readonly facts: readonly Fact[];
}

export interface SignalResult extends RuleResult {
  /** (r) The signal was not applied, and nothing of it is in the state: it is to be tried again with a later watermark. */
  readonly waits: boolean;
}

/** The instant until which a ping is on time (E + G, or later after an absence of ours); null when none is expected. */
export function deadlineOf(definition: HeartbeatDefinition, state: RuntimeState, context: RuleContext): number | null {
  const { nextExpectedAt, baselineAt, status } = state;
  if (nextExpectedAt === null || baselineAt === null || (status !== 'up' && status !== 'late')) return null;
  const graceMs = definition.graceSecs * 1000;
  const newest = context.absences.at(-1);
  // Asked with every ping. Nearly always we have been there ever since, and what follows may cost a look at a calendar.
  if (!newest || newest.endedAt < Math.min(baselineAt, nextExpectedAt - graceMs)) return nextExpectedAt + graceMs;
  return effectiveDeadline(periodOf(definition, baselineAt, nextExpectedAt), context.absences, context.rules);
}

/**
 * Takes over a definition that is newer than the one the state was computed with; older or equal ones change nothing.
 * Recomputes what is expected next from the same L: a change of definition never counts as a ping.
 */
export function applyDefinition(definition: HeartbeatDefinition, before: RuntimeState): RuleResult {
  if (definition.version <= before.definitionVersion) return { state: before, facts: [] };
  const facts: Fact[] = [];
  let state: RuntimeState = { ...before, definitionVersion: definition.version };

  const pause = openPause(definition);
  if (pause) {
    // (g) Pausing ends an incident without telling anybody: a person has taken over.
    if (state.incident) facts.push({ kind: 'incidentClosed', at: pause.pausedAt, incident: state.incident });
    return { state: { ...silent(state), status: 'paused', incident: null }, facts };
  }

  const resumedAt = definition.pauseSpans.at(-1)?.resumedAt ?? null;
  const isNewResume = resumedAt !== null && (state.status === 'paused' || resumedAt > (state.baselineAt ?? -Infinity));
  if (isNewResume) {
    // (h) Also when pause and resume both happened unseen.
    if (state.incident) facts.push({ kind: 'incidentClosed', at: resumedAt, incident: state.incident });
    const everPinged = state.lastPingAt !== null && state.baselineAt !== null;
    const baselineAt = Math.max(resumedAt, state.baselineAt ?? resumedAt);
    state = {
      ...silent(state),
      incident: null,
      status: everPinged ? 'up' : 'new',
      baselineAt: everPinged ? baselineAt : null,
    };
  }

  const rescheduled = isNewResume || definition.scheduleChangedAt !== before.scheduleChangedAt;
  if (rescheduled && state.baselineAt !== null) {
    // (k) The same L, the new schedule, and nothing that would have been due before it was set.
    const from = Math.max(definition.scheduleChangedAt, state.baselineAt + 1);
    state = { ...state, nextExpectedAt: nextExpected(definition.schedule, state.baselineAt, from, true) };
  }
  return { state: { ...state, scheduleChangedAt: definition.scheduleChangedAt }, facts };
}

/**
 * Applies one ping, or lets it wait.
 *
 * @param definition the newest known definition; taken over first if the state has an older one
 * @param watermarkAt up to where every ping is known, ms; Infinity where there is none but this
 */
export function applySignal(
  definition: HeartbeatDefinition,
  before: RuntimeState,
  signal: Signal,
  context: RuleContext,
  watermarkAt = Infinity,
): SignalResult {
  const defined = applyDefinition(definition, before);
  let state = defined.state;
  const facts = [...defined.facts];

  if (!isNewer(signal, state)) return { state, facts, waits: false }; // (i)
  state = {
    ...state,
    lastSignal: { receivedAt: signal.receivedAt, id: signal.id },
    lastPingAt: Math.max(signal.receivedAt, state.lastPingAt ?? 0),
  };
  if (wasPausedAt(definition, signal.receivedAt)) return { state, facts, waits: false }; // (j)
  if (state.status === 'paused') {
    const isFirst = state.baselineAt === null && signal.kind === 'success';
    return { state: isFirst ? { ...state, baselineAt: signal.receivedAt } : state, facts, waits: false }; // (p)
  }
  if (state.baselineAt !== null && signal.receivedAt < state.baselineAt) return { state, facts, waits: false }; // (i)

  const arrivedAt = signal.arrivedAfter ?? signal.receivedAt;
  const judged = applyWatermark(definition, state, Math.min(arrivedAt, watermarkAt), context); // (l)
  state = judged.state;
  if (watermarkAt < arrivedAt) {
    const deadlineAt = deadlineOf(definition, state, context);
    const waits = deadlineAt !== null && deadlineAt < arrivedAt;
    if (waits) return { ...applyWatermark(definition, before, watermarkAt, context), waits }; // (r)
  }
  facts.push(...judged.facts);

  if (signal.kind === 'success') {
    const unknown = waitingInBlackout(definition, state, arrivedAt, context);
    if (unknown) facts.push({ kind: 'unknown', ...unknown }); // (n)
    const after = succeeded(definition, state, signal.receivedAt); // (a) (b) (e) (f)
    if (state.incident) {
      const raisedInError = state.incident.reason !== 'failed' && arrivedAt <= state.incident.startedAt; // (o)
      const still = raisedInError ? sameIncidentFrom(definition, after, state.incident, context) : null;
      if (still) return { state: still, facts, waits: false };
      facts.push({
        kind: 'recovered',
        at: Math.max(signal.receivedAt, state.incident.startedAt),
        incident: state.incident,
        raisedInError,
      });
    }
    state = after;
  } else if (signal.kind === 'fail' && !state.incident) {
    const incident: OpenIncident = { startedAt: signal.receivedAt, reason: 'failed', misses: state.misses };
    facts.push({ kind: 'wentDown', at: signal.receivedAt, incident }); // (d)
    state = { ...state, status: 'down', incident };
  }
  return { state, facts, waits: false };
}

/**
 * Judges silence up to the watermark: every deadline strictly before it has passed without a ping, because every ping
 * accepted before it has been applied.
 *
 * Ends after at most `alertAfterMisses` rounds, however long the silence: nothing is counted after down.
 */
export function applyWatermark(
  definition: HeartbeatDefinition,
  before: RuntimeState,
  watermarkAt: number,
  context: RuleContext,
): RuleResult {
  const defined = applyDefinition(definition, before);
  let state = defined.state;
  const facts = [...defined.facts];
  let firstMissAt: number | null = null;
  let lastMissAt = 0;

  for (;;) {
    const deadlineAt = deadlineOf(definition, state, context);
    if (deadlineAt === null || deadlineAt >= watermarkAt) break;
    const expectedAt = state.nextExpectedAt!;
    const baselineAt = state.baselineAt!;

    const period = periodOf(definition, baselineAt, expectedAt);
    const blackout = blackoutWithin(period, context.absences, context.rules);
    if (blackout) {
      facts.push({ kind: 'unknown', at: expectedAt + period.graceMs, blackout }); // (n)
      state = afterBlackout(definition, state, expectedAt, blackout);
      if (!isUnverified(definition, state, period, context)) continue;
      const incident: OpenIncident = { startedAt: deadlineAt, reason: 'unverified', misses: state.misses };
      if (firstMissAt !== null) facts.push(missed(baselineAt, firstMissAt, lastMissAt, state.misses));
      facts.push({ kind: 'wentDown', at: deadlineAt, incident, blackout }); // (q)
      return { state: { ...state, status: 'down', incident }, facts };
    }

    const misses = state.misses + 1;
    firstMissAt ??= deadlineAt;
    lastMissAt = deadlineAt;
    state = {
      ...state,
      status: 'late', // (c)
      misses,
      unknowns: 0,
      nextExpectedAt: nextExpected(definition.schedule, baselineAt, expectedAt),
    };
    if (misses >= definition.alertAfterMisses) {
      const incident: OpenIncident = { startedAt: deadlineAt, reason: 'missed', misses };
      facts.push(missed(baselineAt, firstMissAt, lastMissAt, misses));
      facts.push({ kind: 'wentDown', at: deadlineAt, incident }); // (d)
      return { state: { ...state, status: 'down', incident }, facts };
    }
  }
  if (firstMissAt !== null) facts.push(missed(state.baselineAt!, firstMissAt, lastMissAt, state.misses));
  return { state, facts };
}

function missed(sinceAt: number, firstAt: number, lastAt: number, misses: number): Fact {
  return { kind: 'missed', sinceAt, firstAt, lastAt, misses };
}

/** Signals are ordered by (receivedAt, id); the same ping read twice from the log is not newer than itself. */
function isNewer(signal: Signal, state: RuntimeState): boolean {
  const last = state.lastSignal;
  if (!last) return true;
  return signal.receivedAt !== last.receivedAt ? signal.receivedAt > last.receivedAt : signal.id > last.id;
}

/** The state after a success that comes to light too late, where the same incident follows from it; null where not. */
function sameIncidentFrom(
  definition: HeartbeatDefinition,
  after: RuntimeState,
  { startedAt, reason }: OpenIncident,
  context: RuleContext,
): RuntimeState | null {
  const { state } = applyWatermark(definition, after, startedAt + 1, context);
  return state.incident?.startedAt === startedAt && state.incident.reason === reason ? state : null;
}

function succeeded(definition: HeartbeatDefinition, state: RuntimeState, at: number): RuntimeState {
  const baselineAt = Math.max(at, definition.pauseSpans.at(-1)?.resumedAt ?? at); // (p)
  return {
    ...state,
    status: 'up',
    baselineAt,
    misses: 0,
    unknowns: 0,
    incident: null,
    nextExpectedAt: nextExpected(
      definition.schedule,
      baselineAt,
      Math.max(baselineAt, definition.scheduleChangedAt - 1),
    ),
  };
}

function silent(state: RuntimeState): RuntimeState {
  return { ...state, misses: 0, unknowns: 0, nextExpectedAt: null };
}
