import type { HeartbeatDefinition } from '@flatline/domain';
import { heartbeatDefined, heartbeatDeleted } from '@flatline/events';
import type { OutboxEvent } from '@flatline/persistence';
import { v7 as uuidv7 } from 'uuid';

/** The event that tells of a new version of a definition. */
export function definedEvent(definition: HeartbeatDefinition, now: number): OutboxEvent {
  const id = uuidv7();
  const { heartbeatId, pauseSpans, ...rest } = definition;
  return {
    id,
    topic: heartbeatDefined.topic,
    key: heartbeatId,
    payload: heartbeatDefined.encode({
      id,
      occurredAt: now,
      producedAt: now,
      key: heartbeatId,
      correlationId: id,
      data: { heartbeatId, pauseSpans: [...pauseSpans], ...rest },
    }),
  };
}

/** The event that ends a heartbeat. `version` is that of its tombstone. */
export function deletedEvent(
  { heartbeatId, projectId }: HeartbeatDefinition,
  version: number,
  now: number,
): OutboxEvent {
  const id = uuidv7();
  return {
    id,
    topic: heartbeatDeleted.topic,
    key: heartbeatId,
    payload: heartbeatDeleted.encode({
      id,
      occurredAt: now,
      producedAt: now,
      key: heartbeatId,
      correlationId: id,
      data: { heartbeatId, projectId, version, deletedAt: now },
    }),
  };
}
