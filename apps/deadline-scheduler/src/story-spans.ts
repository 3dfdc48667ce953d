import { type TraceSpan, TRACEPARENT, type Tracing } from '@flatline/service-kernel';
import type { LoggedPing } from './batch';
import type { Story } from './story';

/** Spans by what caused them to be: the id of a ping or of an incident, which is the correlation of what is told. */
export type StorySpans = ReadonlyMap<string, TraceSpan>;

/** A span for each ping that came with a trace. Ends with {@link endSpans}; an attempt that fails tells none. */
export function applySpans(tracing: Tracing, pings: readonly LoggedPing[], shard: number): StorySpans {
  const spans = new Map<string, TraceSpan>();
  for (const { id, heartbeatId, record } of pings) {
    const parent = record.headers[TRACEPARENT];
    if (parent === undefined) continue;
    const attributes = {
      'flatline.heartbeat.id': heartbeatId,
      'flatline.ping.id': id,
      'flatline.shard': shard,
      'messaging.batch.message_count': pings.length,
    };
    spans.set(id, tracing.start('apply', { kind: 'consumer', parent, attributes }));
  }
  return spans;
}

/**
 * A span for each incident that silence opened: a trace begins there, because nothing came that it could follow from.
 *
 * @param startedAt of the judgement, epoch ms
 */
export function judgeSpans(tracing: Tracing, { starts }: Story, startedAt: number): StorySpans {
  if (!tracing.isOn) return new Map();
  return new Map(
    starts.map(({ id, heartbeatId, incident }) => {
      const attributes = {
        'flatline.heartbeat.id': heartbeatId,
        'flatline.incident.id': id,
        'flatline.incident.reason': incident.reason,
        'flatline.incident.misses': incident.misses,
      };
      return [id, tracing.start('judge', { startedAt, attributes })];
    }),
  );
}

/** The story with the place of each event in its trace. */
export function traced(story: Story, spans: StorySpans): Story {
  if (spans.size === 0 || story.events.length === 0) return story;
  const events = story.events.map((event) => ({
    ...event,
    traceparent: spans.get(event.correlationId)?.traceparent ?? null,
  }));
  return { ...story, events };
}

/** After the commit. */
export function endSpans(spans: StorySpans): void {
  for (const span of spans.values()) span.end();
}
