import { isValidSpanId, isValidTraceId, type SpanContext } from '@opentelemetry/api';

const FORM = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
const SAMPLED = 1;

/**
 * Reads a `traceparent`, which anybody may have sent. Null when it is none. Versions after 00 are read as far as they
 * are alike. Source: W3C Trace Context, 3.2 and 4.3.
 */
export function parseTraceparent(text: string | null | undefined): SpanContext | null {
  const match = typeof text === 'string' && text.length <= 200 ? FORM.exec(text) : null;
  if (!match || text!.startsWith('ff') || (text!.startsWith('00') && text!.length !== 55)) return null;
  const [, traceId, spanId, flags] = match as unknown as [string, string, string, string];
  if (!isValidTraceId(traceId) || !isValidSpanId(spanId)) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & SAMPLED, isRemote: true };
}

export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${traceFlags & SAMPLED}`;
}
