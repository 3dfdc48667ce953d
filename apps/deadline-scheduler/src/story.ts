import { type Absence, contractStatus, type Fact, type HeartbeatDefinition, type OpenIncident } from '@flatline/domain';
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

/** A line of a heartbeat's history. */
export interface Transition {
  readonly id: string;
  readonly heartbeatId: string;
  readonly incidentId: string | null;
  readonly kind: 'missed' | 'unknown' | 'down' | 'recovered' | 'closed';
  readonly occurredAt: number;
  /** A run of misses as far as it is known: one line, which grows. */
  readonly run: { readonly lastAt: number; readonly misses: number } | null;
  /** Why a deadline is unknown, or why the heartbeat went down unverified. */
  readonly blackout: Absence | null;
}

/** A line about an incident. */
interface IncidentTransition extends Transition {
  readonly incidentId: string;
  readonly kind: 'down' | 'recovered' | 'closed';
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

/** The id of a run of misses: UUIDv5 of heartbeat and L, after which it began. */
function missesIdOf(heartbeatId: string, sinceAt: number): string {
  return uuidv5(`missed:${sinceAt}`, heartbeatId);
}

/** The id of what is unknown because of a blackout: UUIDv5 of heartbeat and the blackout's start. */
function unknownIdOf(heartbeatId: string, blackout: Absence): string {
  return uuidv5(`unknown:${blackout.startedAt}`, heartbeatId);
}

/** Adds what a fact means to the story. Nobody is told of misses and unknown deadlines by themselves. */
export function tell(story: Story, fact: Fact, circumstances: Circumstances): void {
  const { definition } = circumstances;
  const { heartbeatId, projectId } = definition;
  if (fact.kind === 'missed' || fact.kind === 'unknown') {
    addPeriods(story, fact, heartbeatId);
    return;
  }
  const id = incidentIdOf(heartbeatId, fact.incident);
  const kind = fact.kind === 'wentDown' ? 'down' : fact.kind === 'recovered' ? 'recovered' : 'closed';
  const transition: IncidentTransition = {
    id: uuidv5(kind, id),
    heartbeatId,
    incidentId: id,
    kind,
    occurredAt: fact.at,
    run: null,
    blackout: (fact.kind === 'wentDown' && fact.blackout) || null,
  };
  const raisedInError = fact.kind === 'recovered' && fact.raisedInError;
  story.transitions.push(transition);
  if (fact.kind === 'wentDown') {
    story.starts.push({ id, heartbeatId, projectId, incident: fact.incident });
  } else {
    story.ends.push({ id, endedAt: fact.at, raisedInError });
  }
  // A pause ends an incident by a person's hand: nobody needs to be told.
  if (fact.kind !== 'incidentClosed') {
    story.events.push(eventOf(transition, { ...fact.incident, raisedInError }, circumstances));
  }
}

function addPeriods(story: Story, fact: Extract<Fact, { kind: 'missed' | 'unknown' }>, heartbeatId: string): void {
  const line = { heartbeatId, incidentId: null, kind: fact.kind };
  if (fact.kind === 'unknown') {
    const { at, blackout } = fact;
    addLine(story, { ...line, id: unknownIdOf(heartbeatId, blackout), occurredAt: at, run: null, blackout });
    return;
  }
  const { sinceAt, firstAt, lastAt, misses } = fact;
  const id = missesIdOf(heartbeatId, sinceAt);
  addLine(story, { ...line, id, occurredAt: firstAt, run: { lastAt, misses }, blackout: null });
}

/** What is noticed twice in one batch is one line here, too: a statement can write a row only once. */
function addLine(story: Story, transition: Transition): void {
  const known = story.transitions.findIndex(({ id }) => id === transition.id);
  const first = story.transitions[known];
  if (first) story.transitions[known] = { ...transition, occurredAt: first.occurredAt };
  else story.transitions.push(transition);
}

function eventOf(
  transition: IncidentTransition,
  incident: OpenIncident & { readonly raisedInError: boolean },
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
        schedule: schedule.kind === 'cron' ? schedule.expression : null,
        timezone: schedule.kind === 'cron' ? schedule.timezone : null,
        graceSecs: definition.graceSecs,
        lastPingedAt: lastPingAt,
      },
      incident: {
        id: transition.incidentId,
        startedAt: incident.startedAt,
        endedAt: isDown ? null : transition.occurredAt,
        reason: incident.reason,
        misses: incident.misses,
        ...(incident.raisedInError && { raisedInError: true }),
        ...(transition.blackout && { blackout: transition.blackout }),
      },
    },
  });
  return { id: transition.id, topic: INCIDENTS_TOPIC, key: transition.heartbeatId, payload, correlationId };
}
