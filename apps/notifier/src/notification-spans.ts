import { TRACEPARENT, type TraceSpan, type Tracing } from '@flatline/service-kernel';
import type { ClaimedNotification } from './delivery-store';
import type { PlannedNotification } from './plan-notifications';
import type { ToldIncident } from './read-incidents';

/** Spans by the id of the event that is planned. */
export type PlanSpans = ReadonlyMap<string, TraceSpan>;

/** A span for each incident that came with a trace. To be ended after the commit; an attempt that fails tells none. */
export function planSpans(tracing: Tracing, incidents: readonly ToldIncident[]): PlanSpans {
  const spans = new Map<string, TraceSpan>();
  for (const { eventId, facts, record } of incidents) {
    const parent = record.headers[TRACEPARENT];
    if (parent === undefined) continue;
    const attributes = {
      'flatline.heartbeat.id': facts.heartbeat.id,
      'flatline.incident.id': facts.incident.id,
      'flatline.transition': facts.transition,
    };
    spans.set(eventId, tracing.start('plan', { kind: 'consumer', parent, attributes }));
  }
  return spans;
}

/** Notifications with their place in a trace. */
export function withTraces(planned: readonly PlannedNotification[], spans: PlanSpans): readonly PlannedNotification[] {
  if (spans.size === 0) return planned;
  return planned.map((each) => ({ ...each, traceparent: spans.get(each.eventId)?.traceparent ?? null }));
}

/** A span for one attempt to deliver; null for what came without a trace. */
export function deliverySpan(
  tracing: Tracing,
  { id, heartbeatId, channelKind, attempt, traceparent: parent }: ClaimedNotification,
): TraceSpan | null {
  if (parent === null) return null;
  const attributes = {
    'flatline.heartbeat.id': heartbeatId,
    'flatline.notification.id': id,
    'flatline.channel.kind': channelKind,
    'flatline.attempt': attempt,
  };
  return tracing.start('deliver', { kind: 'client', parent, attributes });
}
