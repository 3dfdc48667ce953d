import { type Absence, type AbsenceRules, kindOf } from '@flatline/domain';
import { absenceRecorded, ABSENCES_TOPIC } from '@flatline/events';
import type { OutboxEvent } from '@flatline/persistence';
import { v5 as uuidv5 } from 'uuid';

/** Namespace of the ids of absences; any constant of our own will do, but it never changes. */
const ABSENCES_NAMESPACE = '6a7b2f5c-94e1-4d53-8c1e-0f6d2b9e7a31';

/** What is told of an absence of a shard that is over, under the same id whoever tells it. */
export function absenceEvent(shard: number, absence: Absence, rules: AbsenceRules, now: number): OutboxEvent {
  const { startedAt, endedAt } = absence;
  const id = uuidv5(`${shard}:${startedAt}`, ABSENCES_NAMESPACE);
  const key = `shard-${shard}`;
  const payload = absenceRecorded.encode({
    id,
    occurredAt: endedAt,
    producedAt: now,
    key,
    correlationId: id,
    data: { shard, kind: kindOf(absence, rules), startedAt, endedAt },
  });
  return { id, topic: ABSENCES_TOPIC, key, payload };
}
