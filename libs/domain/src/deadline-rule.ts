import { blackoutWithin, effectiveDeadline, type AbsenceRules } from './absences';
import {
  openPause,
  wasPausedAt,
  type Absence,
  type HeartbeatDefinition,
  type OpenIncident,
  type RuntimeState,
  type Signal,
} from './heartbeat';
import { nextExpected, previousExpected } from './schedule';

/**
 * The deadline rule: the one place that decides whether a heartbeat is down. Pure; `now` never appears, only the
 * instant a ping was received and the watermark.
 *
 * With L the last success (or the resume after it), E(k) the k-th expected instant after L and G the grace: miss k is
 * recorded at E(k) + G, and the heartbeat goes down at miss number `alertAfterMisses`.
 *
 * ```
 *              (a) first success                (d) enough misses, or
 *   ┌─────┐ ─────────────────────▶ ┌────┐ ◀──┐      a fail signal       ┌──────┐
 *   │ new │                        │ up │ (b)│ ───────────────────────▶ │ down │
 *   └─────┘                        └────┘ ───┘ success                  └──────┘
 *      │                            │  ▲                                 ▲  │  │
 *      │              (c) a miss,   │  │ (e) success                 (d) │  │  │ (f) success: recovered
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
 * - (m) A deadline touched by a short absence of ours waits (absences.ts).
 * - (n) A period touched by a blackout of ours is `unknown`: no miss, the next period is judged as usual.
 * - (o) A success from before the deadline that found the heartbeat down already ends the incident as raised in error.
 * - (p) A first success from before a pause that comes by during or after it is the first ping all the same: L is the
 *   resume, and a job that falls silent then is missed.
 */
export interface RuleContext {
  /** Absences of the heartbeat's shard, oldest first. */
  readonly absences: readonly Absence[];
  readonly rules: AbsenceRules;
}

/** Something that happened to a heartbeat, dated when it truly happened, never when it was noticed. */
export type Fact =
  | { readonly kind: 'missed'; readonly firstAt: number; readonly lastAt: number; readonly count: number }
  | { readonly kind: 'unknown'; readonly firstAt: number; readonly lastAt: number }
  | { readonly kind: 'wentDown'; readonly at: number; readonly incident: OpenIncident }
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

/** The instant until which a ping is on time (E + G, or later after an absence of ours); null when none is expected. */
export function deadlineOf(definition: HeartbeatDefinition, state: RuntimeState, context: RuleContext): number | null {
  if (state.nextExpectedAt === null || (state.status !== 'up' && state.status !== 'late')) return null;
  return effectiveDeadline(state.nextExpectedAt, definition.graceSecs * 1000, context.absences, context.rules);
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
 * Applies one ping.
 *
 * @param definition the newest known definition; taken over first if the state has an older one
 */
export function applySignal(
  definition: HeartbeatDefinition,
  before: RuntimeState,
  signal: Signal,
  context: RuleContext,
): RuleResult {
  const defined = applyDefinition(definition, before);
  let state = defined.state;
  const facts = [...defined.facts];

  if (!isNewer(signal, state)) return { state, facts }; // (i)
  state = {
    ...state,
    lastSignal: { receivedAt: signal.receivedAt, id: signal.id },
    lastPingAt: Math.max(signal.receivedAt, state.lastPingAt ?? 0),
  };
  if (wasPausedAt(definition, signal.receivedAt)) return { state, facts }; // (j)
  if (state.status === 'paused') {
    const isFirst = state.baselineAt === null && signal.kind === 'success';
    return { state: isFirst ? { ...state, baselineAt: signal.receivedAt } : state, facts }; // (p)
  }
  if (state.baselineAt !== null && signal.receivedAt < state.baselineAt) return { state, facts }; // (i)

  const arrivedAt = signal.arrivedAfter ?? signal.receivedAt;
  const judged = applyWatermark(definition, state, arrivedAt, context); // (l)
  state = judged.state;
  facts.push(...judged.facts);

  if (signal.kind === 'success') {
    if (state.incident) {
      const raisedInError = state.incident.reason !== 'failed' && arrivedAt <= state.incident.startedAt; // (o)
      facts.push({
        kind: 'recovered',
        at: Math.max(signal.receivedAt, state.incident.startedAt),
        incident: state.incident,
        raisedInError,
      });
    }
    state = succeeded(definition, state, signal.receivedAt); // (a) (b) (e) (f)
  } else if (signal.kind === 'fail' && !state.incident) {
    const incident: OpenIncident = { startedAt: signal.receivedAt, reason: 'failed', misses: state.misses };
    facts.push({ kind: 'wentDown', at: signal.receivedAt, incident }); // (d)
    state = { ...state, status: 'down', incident };
  }
  return { state, facts };
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
  let count = 0;

  for (;;) {
    const deadlineAt = deadlineOf(definition, state, context);
    if (deadlineAt === null || deadlineAt >= watermarkAt) break;
    const expectedAt = state.nextExpectedAt!;
    const baselineAt = state.baselineAt!;
    const graceMs = definition.graceSecs * 1000;

    const periodStartAt = previousExpected(definition.schedule, baselineAt, expectedAt);
    const blackout = blackoutWithin(periodStartAt, expectedAt + graceMs, context.absences, context.rules);
    if (blackout) {
      // (n) Straight to the first period that begins after the blackout, however many lie in it.
      const resumesAt = Math.max(expectedAt, nextExpected(definition.schedule, baselineAt, blackout.endedAt, true));
      facts.push({ kind: 'unknown', firstAt: expectedAt + graceMs, lastAt: resumesAt + graceMs });
      state = {
        ...state,
        unknowns: state.unknowns + 1,
        nextExpectedAt: nextExpected(definition.schedule, baselineAt, resumesAt),
      };
      continue;
    }

    const misses = state.misses + 1;
    firstMissAt ??= deadlineAt;
    lastMissAt = deadlineAt;
    count += 1;
    state = {
      ...state,
      status: 'late', // (c)
      misses,
      unknowns: 0,
      nextExpectedAt: nextExpected(definition.schedule, baselineAt, expectedAt),
    };
    if (misses >= definition.alertAfterMisses) {
      const incident: OpenIncident = { startedAt: deadlineAt, reason: 'missed', misses };
      facts.push({ kind: 'missed', firstAt: firstMissAt, lastAt: lastMissAt, count });
      facts.push({ kind: 'wentDown', at: deadlineAt, incident }); // (d)
      return { state: { ...state, status: 'down', incident }, facts };
    }
  }
  if (firstMissAt !== null) facts.push({ kind: 'missed', firstAt: firstMissAt, lastAt: lastMissAt, count });
  return { state, facts };
}

/** Signals are ordered by (receivedAt, id); the same ping read twice from the log is not newer than itself. */
function isNewer(signal: Signal, state: RuntimeState): boolean {
  const last = state.lastSignal;
  if (!last) return true;
  return signal.receivedAt !== last.receivedAt ? signal.receivedAt > last.receivedAt : signal.id > last.id;
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
