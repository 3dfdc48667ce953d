import {
  applyDefinition,
  applySignal,
  applyWatermark,
  deadlineOf,
  type RuleContext,
  type RuleResult,
  type RuntimeState,
  type Signal,
} from '@flatline/domain';
import type { LockedHeartbeat, RuntimeUpdate } from './runtime-store';
import { tell, type Story } from './story';
import { planWake } from './wake-plan';

/**
 * Takes one locked heartbeat through what happened to it and collects what is to be written. Pure but for the story it
 * adds to; nothing of it counts before the transaction commits.
 */
export interface Folded extends RuntimeUpdate {
  /** What its timer is to be moved to after the commit; null when it stays. */
  readonly armAt: number | null;
  readonly changed: boolean;
}

/** Applies pings in the order of (receivedAt, id). */
export function foldSignals(
  heartbeat: LockedHeartbeat,
  signals: readonly Signal[],
  context: RuleContext,
  story: Story,
  now: number,
): Folded {
  const { definition } = heartbeat;
  let state = heartbeat.state;
  for (const signal of [...signals].sort(inOrder)) {
    const result = applySignal(definition, state, signal, context);
    addToStory(heartbeat, state, result, story, now, signal.id);
    state = result.state;
  }
  return finish(heartbeat, state, context);
}

/** Judges silence up to the watermark, and never beyond the present. */
export function foldWatermark(
  heartbeat: LockedHeartbeat,
  watermark: number,
  context: RuleContext,
  story: Story,
  now: number,
): Folded {
  const result = applyWatermark(heartbeat.definition, heartbeat.state, Math.min(watermark, now), context);
  addToStory(heartbeat, heartbeat.state, result, story, now);
  return finish(heartbeat, result.state, context, true);
}

/** Takes a newer definition over. */
export function foldDefinition(heartbeat: LockedHeartbeat, context: RuleContext, story: Story, now: number): Folded {
  const result = applyDefinition(heartbeat.definition, heartbeat.state);
  addToStory(heartbeat, heartbeat.state, result, story, now);
  return finish(heartbeat, result.state, context);
}

function inOrder(a: Signal, b: Signal): number {
  return a.receivedAt - b.receivedAt || (a.id < b.id ? -1 : 1);
}

function addToStory(
  { definition }: LockedHeartbeat,
  before: RuntimeState,
  { state, facts }: RuleResult,
  story: Story,
  now: number,
  cause?: string,
): void {
  for (const fact of facts) {
    const silenceEndedIt = fact.kind === 'wentDown' && fact.incident.reason !== 'failed';
    const lastPingAt = silenceEndedIt ? before.lastPingAt : state.lastPingAt;
    tell(story, fact, { definition, lastPingAt, now, ...(cause !== undefined && { cause }) });
  }
}

/** @param woken the timer has gone off, so it must be armed anew even where the plan would leave it */
function finish(heartbeat: LockedHeartbeat, state: RuntimeState, context: RuleContext, woken = false): Folded {
  const deadlineAt = deadlineOf(heartbeat.definition, state, context);
  const wakeAt = woken ? deadlineAt : planWake(heartbeat.wakeAt, deadlineAt, state.baselineAt ?? 0);
  const moved = wakeAt !== heartbeat.wakeAt;
  return {
    heartbeatId: heartbeat.definition.heartbeatId,
    state,
    wakeAt,
    armAt: moved || woken ? wakeAt : null,
    changed: moved || state !== heartbeat.state,
  };
}
