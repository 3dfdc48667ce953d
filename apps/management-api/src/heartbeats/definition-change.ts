import { type HeartbeatDefinition, openPause, type PauseSpan, type Schedule } from '@flatline/domain';

/** What somebody wants to be different; what is not named stays. */
export interface DefinitionChange {
  readonly name?: string | undefined;
  readonly intervalSecs?: number | undefined;
  /** A cron expression. */
  readonly expression?: string | undefined;
  readonly timezone?: string | undefined;
  readonly graceSecs?: number | undefined;
  readonly alertAfterMisses?: number | undefined;
  readonly paused?: boolean | undefined;
}

/** Pauses that are kept. A ping older than all of them is far behind anything that could still be judged. */
const PAUSES_KEPT = 20;

/**
 * The next version of a definition, or the very same object when the change changes nothing: saying twice what is so
 * already makes no version, no event and no new deadline.
 *
 * @param now epoch ms; when the change takes effect
 */
export function changeDefinition(
  before: HeartbeatDefinition,
  change: DefinitionChange,
  now: number,
): HeartbeatDefinition {
  const after = {
    ...before,
    name: change.name ?? before.name,
    schedule: scheduleAfter(before.schedule, change),
    graceSecs: change.graceSecs ?? before.graceSecs,
    alertAfterMisses: change.alertAfterMisses ?? before.alertAfterMisses,
    pauseSpans: pausedOrNot(before, change.paused, now),
  };
  const isRescheduled = !isSameSchedule(before, after) || after.graceSecs !== before.graceSecs;
  const isChanged =
    isRescheduled ||
    after.name !== before.name ||
    after.alertAfterMisses !== before.alertAfterMisses ||
    after.pauseSpans !== before.pauseSpans;
  if (!isChanged) return before;
  return {
    ...after,
    version: before.version + 1,
    scheduleChangedAt: isRescheduled ? Math.max(now, before.scheduleChangedAt) : before.scheduleChangedAt,
  };
}

/** An interval, or an expression in a zone. The zone stays when the expression alone changes; a first one is UTC. */
function scheduleAfter(before: Schedule, { intervalSecs, expression, timezone }: DefinitionChange): Schedule {
  if (intervalSecs !== undefined) return { kind: 'interval', intervalSecs };
  const cron = before.kind === 'cron' ? before : null;
  if (expression !== undefined) return { kind: 'cron', expression, timezone: timezone ?? cron?.timezone ?? 'UTC' };
  return cron && timezone !== undefined ? { ...cron, timezone } : before;
}

function isSameSchedule({ schedule: a }: HeartbeatDefinition, { schedule: b }: HeartbeatDefinition): boolean {
  if (a.kind === 'interval') return b.kind === 'interval' && a.intervalSecs === b.intervalSecs;
  return b.kind === 'cron' && a.expression === b.expression && a.timezone === b.timezone;
}

/** Spans never overlap and never run backwards, also when the clock was set back between two requests. */
function pausedOrNot(definition: HeartbeatDefinition, paused: boolean | undefined, now: number): readonly PauseSpan[] {
  const spans = definition.pauseSpans;
  const open = openPause(definition);
  if (paused === undefined || paused === (open !== undefined)) return spans;
  if (open) return [...spans.slice(0, -1), { ...open, resumedAt: Math.max(now, open.pausedAt) }];
  const pausedAt = Math.max(now, spans.at(-1)?.resumedAt ?? now);
  return [...spans, { pausedAt, resumedAt: null }].slice(-PAUSES_KEPT);
}
