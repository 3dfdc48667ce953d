import {
  applyDefinition,
  applySignal,
  applyWatermark,
  deadlineOf,
  type HeartbeatDefinition,
  nextExpected,
  type RuleContext,
  type RuleResult,
  type RuntimeState,
  type Signal,
  wasPausedAt,
} from '@flatline/domain';
import { misfitOf } from '@flatline/persistence';
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
  /** Whether `misfit` is another than before. */
  readonly misfitIsNews: boolean;
  /** What contradicted itself in the stored row, which was put together again; null for a row as it should be. */
  readonly restored: string | null;
  /** Pings that wait for the watermark: they are to be applied again once it has moved. */
  readonly waiting: readonly Signal[];
}

/**
 * A heartbeat that cannot be judged is looked at again after this time, in case somebody mended it in a way that we do
 * not hear of. A changed definition and a ping are looked at at once.
 */
export const LOOK_AGAIN_MS = 600_000;

/**
 * Applies pings in the order of (receivedAt, id).
 *
 * @param watermark of the shard
 */
export function foldSignals(
  heartbeat: LockedHeartbeat,
  signals: readonly Signal[],
  watermark: number,
  context: RuleContext,
  now: number,
): Folded {
  return unlessMisfit(heartbeat, now, () => {
    const story = emptyStory();
    const waiting: Signal[] = [];
    let state = heartbeat.state;
    for (const signal of [...signals].sort(inOrder)) {
      const result = applySignal(heartbeat.definition, state, signal, context, watermark);
      addToStory(heartbeat, state, result, story, now, result.waits ? undefined : signal.id);
      if (result.waits) waiting.push(signal);
      state = result.state;
    }
    return { ...finish(heartbeat, state, context, story), waiting };
  });
}

/** Judges silence up to the watermark, and never beyond the present. */
export function foldWatermark(
  heartbeat: LockedHeartbeat,
  watermark: number,
  context: RuleContext,
  now: number,
): Folded {
  return unlessMisfit(heartbeat, now, () => {
    const story = emptyStory();
    const result = applyWatermark(heartbeat.definition, heartbeat.state, Math.min(watermark, now), context);
    addToStory(heartbeat, heartbeat.state, result, story, now);
    return finish(heartbeat, result.state, context, story, true);
  });
}

/** Takes a newer definition over, if it can be used. */
export function foldDefinition(heartbeat: LockedHeartbeat, context: RuleContext, now: number): Folded {
  return unlessMisfit(heartbeat, now, () => {
    refuseUnusable(heartbeat.definition, now);
    const story = emptyStory();
    const result = applyDefinition(heartbeat.definition, heartbeat.state);
    addToStory(heartbeat, heartbeat.state, result, story, now);
    return finish(heartbeat, result.state, context, story);
  });
}

/**
 * What cannot be computed for one heartbeat harms it alone: a schedule that has no next instant, a definition or a row
 * that nobody of ours wrote. It stays as it was, marked with the reason. Nothing here does any I/O, so whatever is thrown
 * is about the data of this heartbeat.
 */
function unlessMisfit(heartbeat: LockedHeartbeat, now: number, fold: () => Folded): Folded {
  try {
    if (heartbeat.misfit !== null) refuseUnusable(heartbeat.definition, now);
    return fold();
  } catch (error) {
    const misfit = misfitOf(error);
    const misfitIsNews = misfit !== heartbeat.misfit;
    const looksAgain = !misfitIsNews && heartbeat.wakeAt !== null && heartbeat.wakeAt > now;
    const wakeAt = looksAgain ? heartbeat.wakeAt : now + LOOK_AGAIN_MS;
    return {
      heartbeatId: heartbeat.definition.heartbeatId,
      state: heartbeat.state,
      wakeAt,
      armAt: looksAgain ? null : wakeAt,
      changed: !looksAgain || heartbeat.restored !== null,
      story: emptyStory(),
      misfit,
      misfitIsNews,
      restored: heartbeat.restored,
      waiting: [],
    };
  }
}

/**
 * Computes what every judgement may need, wanted now or not: a heartbeat that was not judged is so again only when nothing
 * stands in the way any more, and not whenever its schedule happens not to be asked.
 *
 * @throws UnusableSchedule, or whatever a definition brings about that nobody of ours wrote
 */
function refuseUnusable(definition: HeartbeatDefinition, now: number): void {
  wasPausedAt(definition, now);
  nextExpected(definition.schedule, now, now);
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
    changed: moved || state !== heartbeat.state || heartbeat.misfit !== null || heartbeat.restored !== null,
    story,
    misfit: null,
    misfitIsNews: heartbeat.misfit !== null,
    restored: heartbeat.restored,
    waiting: [],
  };
}
