import type { LogBounds, LogRecord } from '../event-log';
import { PartitionFeed } from './partition-feed';

const records = (from: number, count: number, size = 1): LogRecord[] =>
  Array.from({ length: count }, (_, index) => ({
    topic: 't',
    partition: 0,
    offset: from + index,
    key: '',
    value: Buffer.alloc(size),
    headers: {},
    appendedAt: 0,
  }));

describe('the feed of a partition', () => {
  let bounds: LogBounds;
  let calls: string[];
  let feed: PartitionFeed;

  beforeEach(() => {
    bounds = { start: 0, end: 0 };
    calls = [];
    feed = new PartitionFeed({
      read: (offset) => calls.push(`read ${offset}`),
      pause: () => calls.push('pause'),
      bounds: async () => bounds,
      wake: () => calls.push('wake'),
    });
  });

  it('looks at the bounds before it reads, and tells a position outside them instead of reading', async () => {
    bounds = { start: 5, end: 9 };
    await expect(feed.fetch(4)).resolves.toEqual({ kind: 'out-of-range', start: 5, end: 9 });
    await expect(feed.fetch(10)).resolves.toEqual({ kind: 'out-of-range', start: 5, end: 9 });
    expect(calls).not.toContain('read 4');
    await expect(feed.fetch(9)).resolves.toEqual({ kind: 'none' });
    expect(calls.at(-1)).toBe('read 9');
  });

  it('waits for what the log is known to hold', async () => {
    bounds = { start: 0, end: 3 };
    const fetched = feed.fetch(1);
    await Promise.resolve();
    setImmediate(() => feed.deliver(records(1, 2)));
    await expect(fetched).resolves.toEqual({ kind: 'records', records: records(1, 2) });
    await expect(feed.fetch(3)).resolves.toEqual({ kind: 'none' });
  });

  it('reads again from where the worker stands when that is not what it holds', async () => {
    bounds = { start: 0, end: 4 };
    await feed.fetch(4);
    feed.deliver(records(4, 3));
    bounds = { start: 0, end: 7 };
    const fetched = feed.fetch(2); // the handler failed and its position is an older one
    setImmediate(() => feed.deliver(records(2, 5)));
    await expect(fetched).resolves.toEqual({ kind: 'records', records: records(2, 5) });
    expect(calls.filter((call) => call.startsWith('read'))).toEqual(['read 4', 'read 2']);
  });

  it('pauses when a megabyte waits, hands over a megabyte at a time, and goes on when little is left', async () => {
    await feed.fetch(0);
    calls.length = 0;
    feed.deliver(records(0, 6, 400_000));
    expect(calls).toEqual(['pause', 'wake']);
    await expect(feed.fetch(0)).resolves.toMatchObject({ records: records(0, 2, 400_000) });
    await feed.fetch(2);
    expect(calls).not.toContain('read 6');
    await feed.fetch(4);
    expect(calls.at(-1)).toBe('read 6');
  });

  it('goes on where it was after the group was balanced anew, unless it is full', async () => {
    await feed.fetch(0);
    feed.deliver(records(0, 2));
    calls.length = 0;
    feed.resume();
    expect(calls).toEqual(['read 2']);
    feed.deliver(records(2, 1, 2_000_000));
    calls.length = 0;
    feed.resume();
    expect(calls).toEqual([]);
  });

  it('looks again when two looks in a row find it waiting at a place where the log does not end', async () => {
    await feed.fetch(0);
    expect(feed.audit(0, { start: 0, end: 0 })).toBe(false);
    expect(feed.audit(0, { start: 0, end: 2 })).toBe(false); // may be on its way
    expect(feed.audit(0, { start: 0, end: 3 })).toBe(true);
    bounds = { start: 0, end: 3 };
    const fetched = feed.fetch(0);
    setImmediate(() => feed.deliver(records(0, 3)));
    await expect(fetched).resolves.toMatchObject({ kind: 'records' });
  });

  it('ends a fetch that waits when it is stopped', async () => {
    bounds = { start: 0, end: 3 };
    const fetched = feed.fetch(0);
    setImmediate(() => feed.stop());
    await expect(fetched).resolves.toEqual({ kind: 'none' });
  });
});
