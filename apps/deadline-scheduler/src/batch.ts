import type { Pulse, Signal } from '@flatline/domain';
import type { LogRecord } from '@flatline/event-log';
import { eventParser, ingestPulsed, MalformedEvent, pingReceived } from '@flatline/events';
import type { PoisonRecord } from '@flatline/persistence';
import type { HistoryPing } from './history-store';

const parse = eventParser(pingReceived, ingestPulsed);

/** A ping as it came out of the log. */
export interface LoggedPing extends HistoryPing {
  readonly signal: Signal;
  readonly ingestId: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly record: LogRecord;
}

export type BatchEvent =
  | { readonly kind: 'ping'; readonly ping: LoggedPing }
  | { readonly kind: 'pulse'; readonly pulse: Pulse; readonly appendedAt: number };

/** A batch of the pings topic, read; everything in the order of the log. */
export interface Batch {
  readonly events: readonly BatchEvent[];
  readonly pings: readonly LoggedPing[];
  readonly poison: readonly PoisonRecord[];
}

export function readBatch(records: readonly LogRecord[]): Batch {
  const events: BatchEvent[] = [];
  const pings: LoggedPing[] = [];
  const poison: PoisonRecord[] = [];
  for (const record of records) {
    try {
      const event = parse(record.value);
      if (event.type === 'ingest.pulsed') {
        events.push({ kind: 'pulse', pulse: event.data, appendedAt: record.appendedAt });
        continue;
      }
      const { heartbeatId, receivedAt, arrivedAfter, kind, ingestId, epoch, sequence } = event.data;
      const { method, userAgent, bodyBase64 } = event.data;
      const ping: LoggedPing = {
        id: event.id,
        heartbeatId,
        receivedAt,
        kind,
        method: method ?? null,
        userAgent: userAgent ?? null,
        body: bodyBase64 === undefined ? null : Buffer.from(bodyBase64, 'base64'),
        signal: { id: event.id, kind, receivedAt, ...(arrivedAfter !== undefined && { arrivedAfter }) },
        ingestId,
        epoch,
        sequence,
        record,
      };
      events.push({ kind: 'ping', ping });
      pings.push(ping);
    } catch (error) {
      if (!(error instanceof MalformedEvent)) throw error;
      poison.push({ record, reason: error.message });
    }
  }
  return { events, pings, poison };
}

/** A ping that is in the history and waits for the watermark, see (r) of the deadline rule. */
export interface WaitingSignal {
  readonly heartbeatId: string;
  readonly signal: Signal;
}

export function signalsByHeartbeat(pings: readonly WaitingSignal[]): Map<string, Signal[]> {
  const signals = new Map<string, Signal[]>();
  for (const { heartbeatId, signal } of pings) {
    const known = signals.get(heartbeatId);
    if (known) known.push(signal);
    else signals.set(heartbeatId, [signal]);
  }
  return signals;
}
