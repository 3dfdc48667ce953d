import { contractStatus, type Fact, type HeartbeatDefinition, type OpenIncident } from '@flatline/domain';
import { incidentOpened, incidentResolved, INCIDENTS_TOPIC } from '@flatline/events';
import type { OutboxEvent } from '@flatline/persistence';
import { v5 as uuidv5 } from 'uuid';

/**
 * Turns facts into what is written about them. Ids are derived from what happened and when it truly happened, so a
 * replay after a lost commit writes the same rows and sends the same events under the same keys.
 */

export interface IncidentStart {
  readonly id: string;
  readonly heartbeatId: string;
  readonly projectId: string;
  readonly incident: OpenIncident;
}

export interface IncidentEnd {
  readonly id: string;
  readonly endedAt: number;
  readonly raisedInError: boolean;
}

export interface Transition {
  readonly id: string;
  readonly heartbeatId: string;
  readonly incidentId: string;
  readonly kind: 'down' | 'recovered' | 'closed';
  readonly occurredAt: number;
}

/** An event, and the ping or the incident that brought it about. */
export interface StoryEvent extends OutboxEvent {
  readonly correlationId: string;
}

export interface Story {
  readonly starts: IncidentStart[];
  readonly ends: IncidentEnd[];
  readonly transitions: Transition[];
  readonly events: StoryEvent[];
}

export function emptyStory(): Story {
  return { starts: [], ends: [], transitions: [], events: [] };
}

/** Many stories as one, in their order, to be written together. */
export function merge(stories: readonly Story[]): Story {
  return {
    starts: stories.flatMap((story) => story.starts),
    ends: stories.flatMap((story) => story.ends),
    transitions: stories.flatMap((story) => story.transitions),
    events: stories.flatMap((story) => story.events),
  };
}

/** What was known about the heartbeat when a fact became one. */
export interface Circumstances {
  readonly definition: HeartbeatDefinition;
  /** The newest ping before it went down; the recovering ping when it recovered. */
  readonly lastPingAt: number | null;
  /** The ping that brought it about, if one did. */
  readonly cause?: string;
  readonly now: number;
}

/** The id of an incident: UUIDv5 of heartbeat, cause and true start. */
export function incidentIdOf(heartbeatId: string, incident: OpenIncident): string {
  return uuidv5(`${incident.reason}:${incident.startedAt}`, heartbeatId);
}

/** Adds what a fact means to the story. Misses and unknown periods live in the runtime row alone. */
export function tell(story: Story, fact: Fact, circumstances: Circumstances): void {
  if (fact.kind === 'missed' || fact.kind === 'unknown') return;
  const { definition } = circumstances;
  const { heartbeatId, projectId } = definition;
  const id = incidentIdOf(heartbeatId, fact.incident);
  const kind = fact.kind === 'wentDown' ? 'down' : fact.kind === 'recovered' ? 'recovered' : 'closed';
  const transition: Transition = { id: uuidv5(kind, id), heartbeatId, incidentId: id, kind, occurredAt: fact.at };
  story.transitions.push(transition);
  if (fact.kind === 'wentDown') {
    story.starts.push({ id, heartbeatId, projectId, incident: fact.incident });
  } else {
    story.ends.push({ id, endedAt: fact.at, raisedInError: fact.kind === 'recovered' && fact.raisedInError });
  }
  // A pause ends an incident by a person's hand: nobody needs to be told.
  if (fact.kind !== 'incidentClosed') story.events.push(eventOf(transition, fact.incident, circumstances));
}

function eventOf(
  transition: Transition,
  incident: OpenIncident,
  { definition, lastPingAt, cause, now }: Circumstances,
): StoryEvent {
  const isDown = transition.kind === 'down';
  const { schedule } = definition;
  const correlationId = cause ?? transition.incidentId;
  const payload = (isDown ? incidentOpened : incidentResolved).encode({
    id: transition.id,
    occurredAt: transition.occurredAt,
    producedAt: now,
    key: transition.heartbeatId,
    correlationId,
    data: {
      projectId: definition.projectId,
      heartbeat: {
        id: transition.heartbeatId,
        name: definition.name,
        status: contractStatus(isDown ? 'down' : 'up'),
        intervalSecs: schedule.kind === 'interval' ? schedule.intervalSecs : null,
        graceSecs: definition.graceSecs,
        lastPingedAt: lastPingAt,
      },
      incident: {
        id: transition.incidentId,
        startedAt: incident.startedAt,
        endedAt: isDown ? null : transition.occurredAt,
        reason: incident.reason,
        misses: incident.misses,
      },
    },
  });
  return { id: transition.id, topic: INCIDENTS_TOPIC, key: transition.heartbeatId, payload, correlationId };
}
