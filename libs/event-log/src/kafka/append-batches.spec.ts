import type { OutgoingRecord } from '../event-log';
import { inRequests } from './append-batches';

const record = (partition: number, size: number, key = ''): OutgoingRecord => ({
  partition,
  key,
  value: Buffer.alloc(size),
});

describe('cutting an append into requests', () => {
  it('leaves what fits in one request', () => {
    const records = [record(0, 400), record(1, 400), record(0, 400)];
    expect(inRequests(records, 1_000)).toEqual([records]);
  });

  it('counts each partition by itself and keeps the order within it', () => {
    const records = [record(0, 600, 'a'), record(1, 600, 'b'), record(0, 600, 'c'), record(1, 100, 'd')];
    const keys = inRequests(records, 1_000).map((request) => request.map(({ key }) => key));
    expect(keys).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  it('sends a record that fills a batch by itself alone', () => {
    const records = [record(0, 10), record(0, 936), record(0, 10)];
    expect(inRequests(records, 1_000).map((request) => request.length)).toEqual([1, 1, 1]);
  });

  it('ends a request at 8 MiB however many partitions share it', () => {
    const records = Array.from({ length: 20 }, (_, partition) => record(partition, 1_000_000));
    expect(inRequests(records, 2_000_000).map((request) => request.length)).toEqual([8, 8, 4]);
  });
});
