import { RecordTooLarge } from './errors';
import type { OutgoingRecord } from './event-log';

/** Most bytes of a record: key, value and headers together. */
export const MAX_RECORD_BYTES = 1_000_000;

export function recordBytes({ key, value, headers }: OutgoingRecord): number {
  let bytes = Buffer.byteLength(key) + value.length;
  if (headers) {
    for (const [name, text] of Object.entries(headers)) bytes += Buffer.byteLength(name) + Buffer.byteLength(text);
  }
  return bytes;
}

/** @throws RecordTooLarge for the first record that no append could ever store */
export function refuseTooLarge(records: readonly OutgoingRecord[], limitBytes = MAX_RECORD_BYTES): void {
  records.forEach((record, index) => {
    const bytes = recordBytes(record);
    if (bytes > limitBytes) throw new RecordTooLarge(index, bytes, limitBytes);
  });
}
