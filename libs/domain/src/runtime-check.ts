import {
  initialState,
  type HeartbeatDefinition,
  type IncidentReason,
  type OpenIncident,
  type RuntimeState,
} from './heartbeat';

/**
 * A runtime state is a summary of what happened, and the deadline rule takes it at its word. One that contradicts itself
 * (a hand in the database, a backup put together wrongly) would be judged wrongly or never. So it is found before the
 * rule sees it, and put together again from the history.
 */

const REASONS: readonly string[] = ['missed', 'failed', 'overrun', 'unverified'] satisfies readonly IncidentReason[];

/** No heartbeat alerts after more than 100 misses, and nothing is counted after that; the rest is room. */
const MOST_COUNTED = 1_000_000;

/** What contradicts itself in a state, in a few words; null for a state that the rule can have left. */
export function contradictionIn(state: RuntimeState): string | null {
  const { status, incident, baselineAt, nextExpectedAt } = state;
  if ([state.misses, state.unknowns].some((count) => count < 0 || count > MOST_COUNTED)) {
    return 'a count that cannot be';
  }
  if (status === 'down' && incident === null) return 'down without an incident';
  if (status !== 'down' && incident !== null) return `${status} with an incident`;
  if (incident !== null && !REASONS.includes(incident.reason)) return 'an incident of an unknown reason';
  if (status === 'new' && baselineAt !== null) return 'new although there was a success';
  if (status === 'up' || status === 'late') {
    if (baselineAt === null) return `${status} without a last success`;
    if (nextExpectedAt === null) return `${status} without a next expected instant`;
  }
  return null;
}

/** What is known of a heartbeat beside its runtime state. */
export interface KnownHistory {
  /** The newest success outside of pauses that is still in the history. */
  readonly lastSuccessAt: number | null;
  readonly lastSignal: RuntimeState['lastSignal'];
  /** The newest incident that has not ended. */
  readonly openIncident: OpenIncident | null;
}

/**
 * Puts a state together again. It is as of no definition yet: `applyDefinition`, which every fold begins with, computes
 * what is expected next. Misses are counted anew by the next judgement, from the last success on and at their true
 * instants, so a job that fell silent meanwhile is found.
 *
 * @param broken the state that contradicts itself; its instants are used only where the history knows nothing
 */
export function restoreState(
  definition: HeartbeatDefinition,
  broken: RuntimeState,
  { lastSuccessAt, lastSignal, openIncident }: KnownHistory,
): RuntimeState {
  const resumedAt = definition.pauseSpans.at(-1)?.resumedAt ?? null;
  const succeededAt = lastSuccessAt ?? broken.baselineAt;
  // An incident that is open began after the resume: it must not be taken for one that the resume ended.
  const baselineAt = succeededAt !== null || openIncident !== null ? later(succeededAt, resumedAt) : null;
  return {
    ...initialState(definition),
    status: openIncident !== null ? 'down' : baselineAt !== null ? 'up' : 'new',
    scheduleChangedAt: -1, // of no definition
    baselineAt,
    lastPingAt: lastSignal?.receivedAt ?? broken.lastPingAt,
    lastSignal: lastSignal ?? broken.lastSignal,
    misses: openIncident?.misses ?? 0,
    incident: openIncident,
  };
}

function later(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
