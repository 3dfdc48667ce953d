import type { KafkaRecord, RecordsBatch } from '@platformatic/kafka';
import type { LogRecord } from '../../event-log';

/** Bits of a batch's attributes: dated by the broker's clock; holds a mark of a transaction instead of records. */
const LOG_APPEND_TIME = 0b1000;
const CONTROL = 0b100000;

const EMPTY = Buffer.alloc(0);

export interface Decoded {
  /** From the offset asked for on; a batch is sent whole and may begin before it. */
  readonly records: LogRecord[];
  /** The offset to ask for next. */
  readonly next: number;
}

export function decodeBatches(
  topic: string,
  partition: number,
  from: number,
  batches: readonly RecordsBatch[],
): Decoded {
  const records: LogRecord[] = [];
  let next = from;
  for (const batch of batches) {
    const first = Number(batch.firstOffset);
    next = Math.max(next, first + batch.lastOffsetDelta + 1);
    if ((batch.attributes & CONTROL) !== 0) continue;
    for (const record of batch.records) {
      const offset = first + record.offsetDelta;
      if (offset < from) continue;
      records.push({
        topic,
        partition,
        offset,
        key: record.key?.toString() ?? '',
        value: record.value ?? EMPTY,
        headers: decodeHeaders(record),
        appendedAt: appendedAt(batch, record),
      });
    }
  }
  return { records, next };
}

/** The broker dates a whole batch; without that, the producer dated each record. The library leaves this to its user. */
function appendedAt(batch: RecordsBatch, record: KafkaRecord): number {
  const byTheBroker = (batch.attributes & LOG_APPEND_TIME) !== 0;
  return Number(byTheBroker ? batch.maxTimestamp : batch.firstTimestamp + record.timestampDelta);
}

function decodeHeaders({ headers }: KafkaRecord): Record<string, string> {
  const decoded: Record<string, string> = {};
  for (const [name, value] of headers) decoded[String(name ?? '')] = String(value ?? '');
  return decoded;
}
