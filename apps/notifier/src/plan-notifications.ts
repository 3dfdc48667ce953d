import type { IncidentFacts, Transition } from '@flatline/channels';
import { v5 as uuidv5 } from 'uuid';
import type { NotToldReason } from './next-step';
import type { ToldIncident } from './read-incidents';

/** A channel that may be told. `unusable` says why it cannot be, or is null. */
export interface PlannableChannel {
  readonly id: string;
  readonly kind: string;
  readonly unusable: NotToldReason | null;
}

/** A notification that was planned before. */
export interface KnownNotification {
  readonly incidentId: string;
  readonly transition: Transition;
  readonly channelId: string;
  readonly channelKind: string;
  readonly status: string;
}

export interface PlannedNotification extends KnownNotification {
  readonly id: string;
  readonly eventId: string;
  readonly facts: IncidentFacts;
  readonly status: 'pending' | 'suppressed';
  readonly reason: NotToldReason | null;
  /** Where it belongs in a trace. */
  readonly traceparent?: string | null;
}

/** Told when a project has no channel that can be used, so that an alert is seen at all. */
export const TERMINAL_CHANNEL: PlannableChannel = { id: 'terminal', kind: 'terminal', unusable: null };

const NOTIFICATION_NAMESPACE = '5d7f6b5e-3b0a-4c64-9a3c-6a1f0c0e8f11';

/**
 * The id of a notification, and with it the idempotency key of everything that is sent for it: the same for the same
 * incident, transition and channel, whoever computes it and however often.
 */
export function notificationId(incidentId: string, transition: Transition, channelId: string): string {
  return uuidv5(`${incidentId}/${transition}/${channelId}`, NOTIFICATION_NAMESPACE);
}

/**
 * Who is told what. Pure: incidents in the order of the log, the channels of each project and what was planned for
 * these incidents before, to new notifications.
 *
 * - An end of an incident that was planned before is not planned again: the log may tell it twice.
 * - A channel that cannot be used gets a suppressed notification with the reason. When none can be used, the terminal
 *   is told.
 * - A recovery goes to the channels that exist now and to those that were told of the incident; where a channel was not
 *   told that the heartbeat is down, its recovery is suppressed.
 * - A "down" that comes behind its recovery goes to the channels of that recovery alone, which follows it once more.
 */
export function planNotifications(
  incidents: readonly ToldIncident[],
  channelsOf: (projectId: string) => readonly PlannableChannel[],
  known: readonly KnownNotification[],
): PlannedNotification[] {
  const byIncident = new Map<string, KnownNotification[]>();
  const ofIncident = (id: string): KnownNotification[] => {
    const found = byIncident.get(id) ?? [];
    byIncident.set(id, found);
    return found;
  };
  known.forEach((notification) => ofIncident(notification.incidentId).push(notification));

  const planned: PlannedNotification[] = [];
  for (const { eventId, facts } of incidents) {
    const { transition, incident, projectId } = facts;
    const earlier = ofIncident(incident.id);
    if (earlier.some((notification) => notification.transition === transition)) continue;
    const downs = earlier.filter((notification) => notification.transition === 'down');
    for (const channel of audience(channelsOf(projectId), earlier, transition)) {
      const down = downs.find(({ channelId }) => channelId === channel.id);
      const reason = transition === 'recovered' && !mayHaveBeenTold(down) ? 'never_told' : channel.unusable;
      const notification: PlannedNotification = {
        id: notificationId(incident.id, transition, channel.id),
        eventId,
        incidentId: incident.id,
        transition,
        channelId: channel.id,
        channelKind: channel.kind,
        facts,
        status: reason === null ? 'pending' : 'suppressed',
        reason,
      };
      planned.push(notification);
      earlier.push(notification);
    }
  }
  return planned;
}

/**
 * The "downs" among what was planned that come after their own recovery, as one that was put aside and replayed does.
 * The recovery was suppressed, because nobody had been told; now it has to follow, or "down" would be the last word.
 */
export function lateDowns(
  planned: readonly PlannedNotification[],
  known: readonly KnownNotification[],
): PlannedNotification[] {
  const recovered = new Set<string>();
  for (const { incidentId, transition } of known) if (transition === 'recovered') recovered.add(incidentId);
  return planned.filter(({ incidentId, transition, status }) => {
    if (transition === 'recovered') recovered.add(incidentId);
    return transition === 'down' && status === 'pending' && recovered.has(incidentId);
  });
}

/** @param earlier what was planned for the other end of the incident */
function audience(
  channels: readonly PlannableChannel[],
  earlier: readonly KnownNotification[],
  transition: Transition,
): readonly PlannableChannel[] {
  const all = channels.some(({ unusable }) => unusable === null) ? [...channels] : [...channels, TERMINAL_CHANNEL];
  for (const { channelId, channelKind } of earlier) {
    if (!all.some(({ id }) => id === channelId)) all.push({ id: channelId, kind: channelKind, unusable: null });
  }
  if (transition === 'recovered' || earlier.length === 0) return all;
  // A "down" behind its recovery: nobody else would ever hear that it is over.
  return all.filter(({ id }) => earlier.some(({ channelId }) => channelId === id));
}

/** Still under way counts: when it ends without success, the recovery that waits for it is suppressed then. */
function mayHaveBeenTold(down: KnownNotification | undefined): boolean {
  return down !== undefined && down.status !== 'dead' && down.status !== 'suppressed';
}
