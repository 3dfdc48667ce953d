import type { OutgoingRecord } from '../event-log';
import { recordBytes } from '../record-size';

/** Generous for what the protocol adds to a record and to a batch. */
const RECORD_OVERHEAD_BYTES = 64;
export const BATCH_OVERHEAD_BYTES = 1_024;
/** Brokers take requests of up to 100 MB; smaller ones leave them room for others. */
const REQUEST_BYTES = 8 * 1_048_576;

/**
 * Cuts an append into requests, since a broker refuses a batch that is larger than one message may be, even when every
 * record in it is small. The order within a partition stays.
 * @param batchBytes most bytes of one partition in one request
 */
export function inRequests(records: readonly OutgoingRecord[], batchBytes: number): OutgoingRecord[][] {
  const requests: OutgoingRecord[][] = [];
  let request: OutgoingRecord[] = [];
  let requestBytes = 0;
  let bytesOf = new Map<number, number>();
  for (const record of records) {
    const bytes = recordBytes(record) + RECORD_OVERHEAD_BYTES;
    const partitionBytes = bytesOf.get(record.partition) ?? 0;
    if (request.length > 0 && (partitionBytes + bytes > batchBytes || requestBytes + bytes > REQUEST_BYTES)) {
      requests.push(request);
      request = [];
      requestBytes = 0;
      bytesOf = new Map();
    }
    request.push(record);
    requestBytes += bytes;
    bytesOf.set(record.partition, (bytesOf.get(record.partition) ?? 0) + bytes);
  }
  requests.push(request);
  return requests;
}
