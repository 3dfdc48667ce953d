import type { Pulse, Signal } from '@flatline/domain';
import type { LogRecord } from '@flatline/event-log';
import { eventParser, ingestPulsed, MalformedEvent, pingReceived } from '@flatline/events';
import type { HistoryPing } from './history-store';

const parse = eventParser(pingReceived, ingestPulsed);

/** A record that cannot be read; it goes to the dead letters and harms nobody else. */
export interface PoisonRecord {
  readonly record: LogRecord;
  readonly reason: string;
}

export type BatchEvent =
  | { readonly kind: 'ping'; readonly ping: HistoryPing & { ingestId: string; epoch: number; sequence: number } }
  | { readonly kind: 'pulse'; readonly pulse: Pulse; readonly appendedAt: number };

/** A batch of the pings topic, read: what it says in the order of the log, and by heartbeat. */
export interface Batch {
  readonly events: readonly BatchEvent[];
  readonly pings: readonly HistoryPing[];
  readonly signals: ReadonlyMap<string, Signal[]>;
  readonly poison: readonly PoisonRecord[];
}

export function readBatch(records: readonly LogRecord[]): Batch {
  const events: BatchEvent[] = [];
  const pings: HistoryPing[] = [];
  const signals = new Map<string, Signal[]>();
  const poison: PoisonRecord[] = [];
  for (const record of records) {
    try {
      const event = parse(record.value);
      if (event.type === 'ingest.pulsed') {
        events.push({ kind: 'pulse', pulse: event.data, appendedAt: record.appendedAt });
        continue;
      }
      const { heartbeatId, receivedAt, kind, method, userAgent, bodyBase64, ingestId, epoch, sequence } = event.data;
      const ping = {
        id: event.id,
        heartbeatId,
        receivedAt,
        kind,
        method: method ?? null,
        userAgent: userAgent ?? null,
        body: bodyBase64 === undefined ? null : Buffer.from(bodyBase64, 'base64'),
        ingestId,
        epoch,
        sequence,
      };
      events.push({ kind: 'ping', ping });
      pings.push(ping);
      const known = signals.get(heartbeatId);
      const signal: Signal = { id: event.id, kind, receivedAt };
      if (known) known.push(signal);
      else signals.set(heartbeatId, [signal]);
    } catch (error) {
      if (!(error instanceof MalformedEvent)) throw error;
      poison.push({ record, reason: error.message });
    }
  }
  return { events, pings, signals, poison };
}
