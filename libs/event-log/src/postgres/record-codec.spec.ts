import * as fc from 'fast-check';
import type { OutgoingRecord } from '../event-log';
import { packAppend, packRecords, unpackRecords } from './record-codec';

/** As the port names them. `__proto__` is none: no decoder of untrusted bytes gives it back as a key. */
const headerName = fc.stringMatching(/^[A-Za-z0-9-]{1,40}$/);
const outgoing = fc.record({
  partition: fc.nat(5),
  key: fc.string({ unit: 'binary' }),
  value: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  headers: fc.option(fc.dictionary(headerName, fc.string({ unit: 'binary' })), { nil: undefined }),
});

const batchOf = (records: readonly OutgoingRecord[], base: number) => ({
  topic: 't',
  partition: 0,
  lastOffset: base + records.length - 1,
  count: records.length,
  appendedAt: 5,
  payload: packRecords(records),
});

describe('packed records', () => {
  it('come back as they were, byte for byte, from any offset on', () => {
    fc.assert(
      fc.property(
        fc.array(outgoing, { minLength: 1, maxLength: 20 }),
        fc.nat(1_000_000),
        fc.nat(30),
        (all, base, skip) => {
          const from = base + skip;
          const unpacked = unpackRecords(batchOf(all, base), from);
          expect(unpacked).toEqual(
            all.slice(skip).map(({ key, value, headers }, index) => ({
              topic: 't',
              partition: 0,
              offset: from + index,
              key,
              value,
              headers: headers ?? {},
              appendedAt: 5,
            })),
          );
        },
      ),
    );
  });

  it('are grouped by partition, ascending, each in the order of the call', () => {
    const record = (partition: number, key: string): OutgoingRecord => ({ partition, key, value: Buffer.alloc(0) });
    const packed = packAppend([record(3, 'a'), record(0, 'b'), record(3, 'c')]);
    expect([packed.partitions, packed.counts]).toEqual([
      [0, 3],
      [1, 2],
    ]);
    const payload = packed.payloads.subarray(packed.lengths[0]);
    expect(payload).toHaveLength(packed.lengths[1] as number);
    const batch = { topic: 't', partition: 3, lastOffset: 1, count: 2, appendedAt: 0, payload };
    expect(unpackRecords(batch, 0).map(({ key }) => key)).toEqual(['a', 'c']);
  });

  it('that do not hold what their row says are damaged', () => {
    const batch = batchOf([{ partition: 0, key: 'a', value: Buffer.from('b') }], 0);
    expect(() => unpackRecords({ ...batch, count: 2 }, 0)).toThrow('damaged');
  });
});
