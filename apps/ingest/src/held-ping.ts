import { type OutgoingRecord } from '@flatline/event-log';
import { pingReceived } from '@flatline/events';
import { TRACEPARENT, type TraceSpan } from '@flatline/service-kernel';
import { v7 as uuidv7 } from 'uuid';
import type { Dating } from './partition-standing';
import type { ReceivedSignal } from './received-signal';

/** A ping that is durable in the log. */
export interface StoredPing {
  readonly id: string;
  readonly receivedAt: number;
}

/** A ping that was accepted and whose fate is open. */
export interface HeldPing extends StoredPing {
  readonly partition: number;
  /** The earliest instant it can have come at: no pulse claims it while its fate is open. */
  readonly earliestAt: number;
  readonly record: OutgoingRecord;
  /** Monotonic, ms. */
  readonly acceptedAt: number;
  /** Ended when the fate of the ping is known; null when it is not traced. */
  readonly span: TraceSpan | null;
  /** Null once it is answered. */
  answer: ((ping: StoredPing | null) => void) | null;
}

/** Which ingest took the ping, and as what. */
export interface PingOrigin {
  readonly ingestId: string;
  readonly epoch: number;
  readonly partition: number;
  readonly sequence: number;
  readonly dating: Dating;
}

/** The record of a ping, under a new id. */
export function recordOf(
  signal: ReceivedSignal,
  origin: PingOrigin,
  traceparent: string | null,
): { id: string; record: OutgoingRecord } {
  const { heartbeatId, generation } = signal.recipient;
  const { partition, dating, ingestId, epoch, sequence } = origin;
  const { receivedAt } = dating;
  const id = uuidv7();
  const value = pingReceived.encode({
    id,
    occurredAt: receivedAt,
    producedAt: receivedAt,
    key: heartbeatId,
    correlationId: id,
    data: {
      heartbeatId,
      generation,
      kind: signal.kind,
      ...dating,
      ingestId,
      epoch,
      sequence,
      method: signal.method,
      userAgent: signal.userAgent,
      bodyBase64: signal.body?.toString('base64'),
    },
  });
  const record = { partition, key: heartbeatId, value };
  return { id, record: traceparent === null ? record : { ...record, headers: { [TRACEPARENT]: traceparent } } };
}
