import type { MessageEntry, ToldIncident } from '../journal/entries';
import type { Span, Truth } from './truth';
import { clock, type Violation } from './verdict';

/** What one receiver got about one heartbeat, in the order in which it came. */
export interface Mailbox {
  readonly receiver: string;
  readonly messages: readonly MessageEntry[];
}

const thingOf = ({ incidentId, transition }: MessageEntry): string => `${incidentId} ${transition}`;

/** Keys: one for each thing that is told, and one thing for each key. */
export function checkKeys(messages: readonly MessageEntry[]): Violation[] {
  const found: Violation[] = [];
  const keyOf = new Map<string, string>();
  const thingsByKey = new Map<string, string>();
  for (const message of messages) {
    const place = `${message.receiver} ${thingOf(message)}`;
    const key = keyOf.get(place) ?? message.key;
    keyOf.set(place, key);
    const thing = thingsByKey.get(message.key) ?? thingOf(message);
    thingsByKey.set(message.key, thing);
    const told = `${message.transition} of incident ${message.incidentId} to ${message.receiver} at ${clock(message.at)}`;
    if (key !== message.key) found.push({ kind: 'duplicate', id: message.id, what: `${told} under a second key` });
    if (thing !== thingOf(message)) {
      found.push({ kind: 'duplicate', id: message.id, what: `${told} under the key of ${thing}` });
    }
  }
  return found;
}

/** How many came again to a receiver that had taken them: allowed, under the same key. */
export function countRepeats(messages: readonly MessageEntry[]): number {
  const taken = new Set<string>();
  let repeats = 0;
  for (const message of messages) {
    const place = `${message.receiver} ${thingOf(message)}`;
    if (taken.has(place)) repeats += 1;
    if (message.isTaken) taken.add(place);
  }
  return repeats;
}

/**
 * What a receiver that drops repeated keys hears of one heartbeat: "down", then its recovery, then the next "down". An
 * incident that a pause has closed has no recovery.
 */
export function checkOrder(
  { job }: Truth,
  { receiver, messages }: Mailbox,
  incidents: readonly ToldIncident[],
  isClosedByPause: (incident: ToldIncident) => boolean,
): Violation[] {
  const found: Violation[] = [];
  const add = (message: MessageEntry, what: string): void =>
    void found.push({ kind: 'order', id: job.id, what: `${receiver} at ${clock(message.at)}: ${what}` });
  const heard = new Set<string>();
  let open: string | null = null;
  for (const message of messages) {
    if (heard.has(thingOf(message))) continue;
    heard.add(thingOf(message));
    const { incidentId, transition } = message;
    if (transition === 'recovered') {
      if (!heard.has(`${incidentId} down`)) add(message, `${incidentId} recovered before its "down"`);
      if (open === incidentId) open = null;
      continue;
    }
    const before = incidents.find(({ id }) => id === open);
    if (open !== null && !(before && isClosedByPause(before))) {
      add(message, `"down" of ${incidentId} before the recovery of ${open}`);
    }
    open = incidentId;
  }
  return found;
}

/** Incidents one after the other with no sign of life in between are one silence told twice. */
export function checkOneForEachSilence(
  { job, proofs, doubts }: Truth,
  incidents: readonly ToldIncident[],
  skewMs: number,
): Violation[] {
  const isBetween = ({ from, to }: Span, a: number, b: number): boolean => to >= a - skewMs && from <= b + skewMs;
  return incidents.slice(1).flatMap((incident, index) => {
    const before = incidents[index]!;
    if ([...proofs, ...doubts].some((sign) => isBetween(sign, before.startedAt, incident.startedAt))) return [];
    const what = `incidents ${before.id} and ${incident.id} of one silence`;
    return [{ kind: 'duplicate' as const, id: job.id, what }];
  });
}
