import {
  applyDefinition,
  applySignal,
  applyWatermark,
  deadlineOf,
  type RuleContext,
  type RuleResult,
  type RuntimeState,
  type Signal,
  UnusableSchedule,
} from '@flatline/domain';
import type { LockedHeartbeat, RuntimeUpdate } from './runtime-store';
import { emptyStory, type Story, tell } from './story';
import { planWake } from './wake-plan';

/**
 * One locked heartbeat taken through what happened to it: what is to be written. Pure; nothing of it counts before the
 * transaction commits.
 */
export interface Folded extends RuntimeUpdate {
  /** What its timer is to be moved to after the commit; null when it stays. */
  readonly armAt: number | null;
  readonly changed: boolean;
  readonly story: Story;
  /** Why the heartbeat was left as it was: its schedule cannot be used. Everybody else goes on. */
  readonly misfit: string | null;
}

/** Applies pings in the order of (receivedAt, id). */
export function foldSignals(
  heartbeat: LockedHeartbeat,
  signals: readonly Signal[],
  context: RuleContext,
  now: number,
): Folded {
  return unlessMisfit(heartbeat, () => {
    const story = emptyStory();
    let state = heartbeat.state;
    for (const signal of [...signals].sort(inOrder)) {
      const result = applySignal(heartbeat.definition, state, signal, context);
      addToStory(heartbeat, state, result, story, now, signal.id);
      state = result.state;
    }
    return finish(heartbeat, state, context, story);
  });
}

/** Judges silence up to the watermark, and never beyond the present. */
export function foldWatermark(
  heartbeat: LockedHeartbeat,
  watermark: number,
  context: RuleContext,
  now: number,
): Folded {
  return unlessMisfit(heartbeat, () => {
    const story = emptyStory();
    const result = applyWatermark(heartbeat.definition, heartbeat.state, Math.min(watermark, now), context);
    addToStory(heartbeat, heartbeat.state, result, story, now);
    return finish(heartbeat, result.state, context, story, true);
  });
}

/** Takes a newer definition over. */
export function foldDefinition(heartbeat: LockedHeartbeat, context: RuleContext, now: number): Folded {
  return unlessMisfit(heartbeat, () => {
    const story = emptyStory();
    const result = applyDefinition(heartbeat.definition, heartbeat.state);
    addToStory(heartbeat, heartbeat.state, result, story, now);
    return finish(heartbeat, result.state, context, story);
  });
}

/** A schedule that throws harms its own heartbeat alone: it stays as it was and is not woken again until it changes. */
function unlessMisfit(heartbeat: LockedHeartbeat, fold: () => Folded): Folded {
  try {
    return fold();
  } catch (error) {
    if (!(error instanceof UnusableSchedule)) throw error;
    return {
      heartbeatId: heartbeat.definition.heartbeatId,
      state: heartbeat.state,
      wakeAt: null,
      armAt: null,
      changed: heartbeat.wakeAt !== null,
      story: emptyStory(),
      misfit: error.message,
    };
  }
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
function finish(
  heartbeat: LockedHeartbeat,
  state: RuntimeState,
  context: RuleContext,
  story: Story,
  woken = false,
): Folded {
  const deadlineAt = deadlineOf(heartbeat.definition, state, context);
  const wakeAt = woken ? deadlineAt : planWake(heartbeat.wakeAt, deadlineAt, state.baselineAt ?? 0);
  const moved = wakeAt !== heartbeat.wakeAt;
  return {
    heartbeatId: heartbeat.definition.heartbeatId,
    state,
    wakeAt,
    armAt: moved || woken ? wakeAt : null,
    changed: moved || state !== heartbeat.state,
    story,
    misfit: null,
  };
}
