import { displayText } from './display-text';
import type { IncidentFacts } from './incident-facts';

const SECOND_MS = 1_000;
const units = [
  ['day', 86_400 * SECOND_MS],
  ['hour', 3_600 * SECOND_MS],
  ['minute', 60 * SECOND_MS],
  ['second', SECOND_MS],
] as const;

/**
 * A length of time for people: the two largest neighbouring units, e.g. `2 hours 5 minutes`. Less than a second is
 * `less than a second`; fractions of the smaller unit are cut off.
 */
export function formatDuration(durationMs: number): string {
  const first = units.findIndex(([, unitMs]) => durationMs >= unitMs);
  const large = units[first];
  if (!large) return 'less than a second';
  const parts = [count(Math.floor(durationMs / large[1]), large[0])];
  const small = units[first + 1];
  const rest = small ? Math.floor((durationMs % large[1]) / small[1]) : 0;
  if (small && rest > 0) parts.push(count(rest, small[0]));
  return parts.join(' ');
}

export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** An instant for people, e.g. `Mon 5 Jan 2026, 03:12:00 UTC`. Spelled here, so that no locale changes it. */
export function formatInstant(at: number): string {
  const date = new Date(at);
  const day = `${weekdays[date.getUTCDay()]} ${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  return `${day}, ${formatTime(at)} UTC`;
}

/** The time of day in UTC, e.g. `03:12:00`. */
export function formatTime(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** What was wanted of the job, e.g. `a ping every hour, with 5 minutes of grace`. */
export function expectation({ heartbeat }: IncidentFacts): string {
  const grace = heartbeat.graceSecs === 0 ? 'no grace' : `${formatDuration(heartbeat.graceSecs * SECOND_MS)} of grace`;
  return `${rhythm(heartbeat)}, with ${grace}`;
}

function rhythm({ intervalSecs, schedule, timezone }: IncidentFacts['heartbeat']): string {
  if (intervalSecs !== null) {
    return `a ping every ${formatDuration(intervalSecs * SECOND_MS).replace(/^1 (\w+)$/, '$1')}`;
  }
  if (!schedule) return 'a ping on its schedule';
  return `a ping at ${displayText(schedule.replace(/\s+/g, ' '))} (${displayText(timezone ?? 'UTC')})`;
}

/** How long there was no ping when the heartbeat went down, in ms; null when it never had one. */
export function silenceMs({ heartbeat, occurredAt }: IncidentFacts): number | null {
  return heartbeat.lastPingedAt === null ? null : Math.max(0, occurredAt - heartbeat.lastPingedAt);
}

/** How long the incident lasted, in ms, as known when the facts were written. */
export function outageMs({ incident, occurredAt }: IncidentFacts): number {
  return Math.max(0, (incident.endedAt ?? occurredAt) - incident.startedAt);
}

/** What the incident is called. Where we were away, we do not claim more than we know. */
export function stateWord({ incident }: IncidentFacts): 'down' | 'unverified' {
  return incident.reason === 'unverified' ? 'unverified' : 'down';
}

/** When Flatline itself was away, e.g. `from 03:00:00 to 03:05:00 UTC`; with the days unless all was the day it went down. */
export function awaySpan({ incident }: IncidentFacts): string | null {
  if (!incident.blackout) return null;
  const { startedAt, endedAt } = incident.blackout;
  const days = new Set([startedAt, endedAt, incident.startedAt].map((at) => new Date(at).toISOString().slice(0, 10)));
  if (days.size === 1) return `from ${formatTime(startedAt)} to ${formatTime(endedAt)} UTC`;
  return `from ${formatInstant(startedAt)} to ${formatInstant(endedAt)}`;
}

/** Why the heartbeat went down, as a sentence. */
export function cause(facts: IncidentFacts): string {
  const silence = silenceMs(facts);
  const since = silence === null ? 'No ping has come' : `No ping for ${formatDuration(silence)}`;
  switch (facts.incident.reason) {
    case 'missed':
      return facts.incident.misses === 1
        ? `${since}: one was expected and did not come.`
        : `${since}: ${facts.incident.misses} in a row did not come.`;
    case 'failed':
      return 'The job reported that it failed.';
    case 'overrun':
      return 'The job reported its start, but not its end within the time allowed.';
    case 'unverified':
      return (
        `${since}, but Flatline was away ${awaySpan(facts) ?? 'for part of that time'}: a ping may have come and not ` +
        'been heard. The job could not be verified; please check it.'
      );
  }
}

/** That an alarm was ours and not the job's, as a sentence; null where that is not so. */
export function apology({ incident }: IncidentFacts): string | null {
  if (!incident.raisedInError) return null;
  return 'The alarm was raised in error: the ping had come in time, but Flatline heard of it too late.';
}

/** What happened, in a few words for a subject line. */
export function summary(facts: IncidentFacts): string {
  if (apology(facts)) return 'raised in error, the ping had come in time';
  if (facts.transition === 'recovered') return `was ${stateWord(facts)} for ${formatDuration(outageMs(facts))}`;
  const silence = silenceMs(facts);
  switch (facts.incident.reason) {
    case 'failed':
      return 'the job reported a failure';
    case 'overrun':
      return 'the job did not end in time';
    case 'missed':
      return silence === null ? 'no ping has come' : `no ping for ${formatDuration(silence)}`;
    case 'unverified':
      return silence === null
        ? 'no ping, and we were away'
        : `no ping for ${formatDuration(silence)}, and we were away`;
  }
}
