import type { KafkaRecord, RecordsBatch } from '@platformatic/kafka';
import { decodeBatches } from './record-decoder';

const BY_THE_BROKER = 0b1000;
const CONTROL = 0b100000;

const record = (offsetDelta: number, fields: Partial<KafkaRecord> = {}): KafkaRecord => ({
  length: 0,
  attributes: 0,
  timestampDelta: BigInt(offsetDelta),
  offsetDelta,
  key: Buffer.from(`key-${offsetDelta}`),
  value: Buffer.from(`value-${offsetDelta}`),
  headers: [],
  ...fields,
});

const batch = (firstOffset: number, records: KafkaRecord[], fields: Partial<RecordsBatch> = {}): RecordsBatch => ({
  firstOffset: BigInt(firstOffset),
  length: 0,
  partitionLeaderEpoch: 0,
  magic: 2,
  crc: 0,
  attributes: BY_THE_BROKER,
  lastOffsetDelta: records.length - 1,
  firstTimestamp: 1_000n,
  maxTimestamp: 5_000n,
  producerId: -1n,
  producerEpoch: 0,
  firstSequence: 0,
  records,
  ...fields,
});

const decode = (from: number, ...batches: RecordsBatch[]) => decodeBatches('pings.v1', 3, from, batches);

describe('records as a broker sends them', () => {
  it('begin where they were asked for, although a batch is sent whole', () => {
    const { records, next } = decode(11, batch(10, [record(0), record(1), record(2)]), batch(13, [record(0)]));
    expect(records.map(({ offset, value }) => [offset, String(value)])).toEqual([
      [11, 'value-1'],
      [12, 'value-2'],
      [13, 'value-0'],
    ]);
    expect(next).toBe(14);
  });

  it('are dated by the clock of the broker, and by that of the producer only where the topic says so', () => {
    expect(decode(0, batch(0, [record(0), record(1)])).records.map(({ appendedAt }) => appendedAt)).toEqual([
      5_000, 5_000,
    ]);
    const byTheProducer = batch(0, [record(0), record(1)], { attributes: 0 });
    expect(decode(0, byTheProducer).records.map(({ appendedAt }) => appendedAt)).toEqual([1_000, 1_001]);
  });

  it('keep keys, values and headers, and what is missing is empty', () => {
    const headers: KafkaRecord['headers'] = [
      [Buffer.from('traceparent'), Buffer.from('00-é')],
      [Buffer.from('nothing'), null],
    ];
    const { records } = decode(0, batch(0, [record(0, { headers }), record(1, { key: null, value: null })]));
    expect(records[0]).toEqual({
      topic: 'pings.v1',
      partition: 3,
      offset: 0,
      key: 'key-0',
      value: Buffer.from('value-0'),
      headers: { traceparent: '00-é', nothing: '' },
      appendedAt: 5_000,
    });
    expect(records[1]).toMatchObject({ key: '', value: Buffer.alloc(0), headers: {} });
  });

  it('are passed over where a batch holds marks of a transaction or was emptied, without standing still', () => {
    expect(decode(7, batch(7, [record(0)], { attributes: CONTROL }))).toEqual({ records: [], next: 8 });
    expect(decode(7, batch(7, [], { lastOffsetDelta: 4 }))).toEqual({ records: [], next: 12 });
    expect(decode(7)).toEqual({ records: [], next: 7 });
  });
});
