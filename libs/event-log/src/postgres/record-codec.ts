import { Packr } from 'msgpackr';
import type { LogRecord, OutgoingRecord } from '../event-log';

/** Plain MessagePack, no extensions, so that any other program can read what is stored. */
const packr = new Packr({ useRecords: false, variableMapSize: true });

type PackedRecord = [key: string, value: Uint8Array, headers?: Record<string, string>];

/** The records of one append to one partition, as one value. */
export function packRecords(records: readonly OutgoingRecord[]): Buffer {
  return packr.pack(
    records.map(({ key, value, headers }): PackedRecord => (headers ? [key, value, headers] : [key, value])),
  );
}

export interface StoredBatch {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the last record. */
  readonly lastOffset: number;
  readonly count: number;
  readonly appendedAt: number;
  readonly payload: Buffer;
}

/**
 * The records of a batch whose offset is at least `from`.
 * @throws Error when the batch does not hold what its row says; the bytes are damaged
 */
export function unpackRecords(batch: StoredBatch, from: number): LogRecord[] {
  const packed = packr.unpack(batch.payload) as PackedRecord[];
  const { topic, partition, appendedAt } = batch;
  const base = batch.lastOffset - batch.count + 1;
  if (!Array.isArray(packed) || packed.length !== batch.count) {
    throw new Error(`batch ${base} of ${topic}, partition ${partition}, is damaged`);
  }
  const records: LogRecord[] = [];
  for (let index = Math.max(0, from - base); index < packed.length; index++) {
    const [key, bytes, headers] = packed[index] as PackedRecord;
    const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    records.push({ topic, partition, offset: base + index, key, value, headers: headers ?? {}, appendedAt });
  }
  return records;
}

/** What one append sends: one batch per partition, partitions ascending, all payloads in one buffer. */
export interface PackedAppend {
  readonly partitions: number[];
  readonly counts: number[];
  readonly lengths: number[];
  readonly payloads: Buffer;
}

/** Groups records by partition; within a partition their order stays. */
export function packAppend(records: readonly OutgoingRecord[]): PackedAppend {
  const byPartition = new Map<number, OutgoingRecord[]>();
  for (const record of records) {
    const group = byPartition.get(record.partition);
    if (group) group.push(record);
    else byPartition.set(record.partition, [record]);
  }
  const partitions = [...byPartition.keys()].sort((a, b) => a - b);
  const groups = partitions.map((partition) => byPartition.get(partition) as OutgoingRecord[]);
  const packed = groups.map(packRecords);
  return {
    partitions,
    counts: groups.map((group) => group.length),
    lengths: packed.map((payload) => payload.length),
    payloads: Buffer.concat(packed),
  };
}
