import type { Stack, Told } from './stack';

/** What the history of a heartbeat says, and what was told of it. Instants in epoch ms, oldest first. */
export interface Outcome {
  readonly pingedAt: readonly number[];
  readonly incidents: readonly Incident[];
  readonly told: readonly Told[];
}

export interface Incident {
  readonly startedAt: number;
  readonly endedAt: number | null;
}

export async function outcomeOf(stack: Stack, heartbeatId: string): Promise<Outcome> {
  const incidents = await stack.api.incidents(heartbeatId);
  const pings = await stack.api.pings(heartbeatId);
  return {
    pingedAt: pings.map(({ pinged_at }) => Date.parse(pinged_at)).sort((a, b) => a - b),
    incidents: incidents
      .map(({ started_at, ended_at }) => ({
        startedAt: Date.parse(started_at),
        endedAt: ended_at === null ? null : Date.parse(ended_at),
      }))
      .reverse(),
    told: stack.told(heartbeatId),
  };
}

/**
 * Incidents that the history of pings contradicts, for a heartbeat that goes down at the first miss. An incident is right
 * when it began one period after the last ping before it, to the millisecond, with no ping up to that instant, and ended
 * with the next one.
 *
 * @param periodMs interval and grace
 */
export function falseAlarms({ pingedAt, incidents }: Outcome, periodMs: number): readonly Incident[] {
  return incidents.filter(({ startedAt, endedAt }) => {
    const last = pingedAt.findLast((at) => at <= startedAt);
    const next = pingedAt.find((at) => at > startedAt);
    return last === undefined || last + periodMs !== startedAt || (endedAt !== null && endedAt !== next);
  });
}

/**
 * Deadlines that passed without a ping, and without an incident.
 *
 * @param slackMs silence that was longer than the period by so little is left out: a ping that we read late from its
 *   connection counts from the instant it can have come
 */
export function missedAlarms({ pingedAt, incidents }: Outcome, periodMs: number, slackMs: number): readonly number[] {
  const deadlines = pingedAt.flatMap((at, index) => {
    const next = pingedAt[index + 1];
    return next !== undefined && next - at > periodMs + slackMs ? [at + periodMs] : [];
  });
  return deadlines.filter((at) => !incidents.some(({ startedAt }) => startedAt === at));
}

/** The instants from which on people were told that it is down, in the order in which they were told. */
export function alertsOf({ told }: Outcome): readonly number[] {
  return told.filter(({ type }) => type === 'heartbeat.down').map(({ occurredAt }) => occurredAt);
}
