import { PositionMoved } from './errors';
import type { LogRecord, PartitionHandler } from './event-log';
import { PartitionWorker } from './partition-worker';
import type { Fetched } from './partition-worker';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

const records = (from: number, count: number): LogRecord[] =>
  Array.from({ length: count }, (_, index) => ({
    topic: 't',
    partition: 0,
    offset: from + index,
    key: '',
    value: Buffer.alloc(0),
    headers: {},
    appendedAt: 0,
  }));

describe('the worker of a partition', () => {
  let now = 0;
  let end = 0;
  let worker: PartitionWorker;
  const asked: number[] = [];

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['performance', 'nextTick', 'queueMicrotask'] });
    now = end = 0;
    asked.length = 0;
  });
  afterEach(async () => {
    await worker.stop();
    jest.useRealTimers();
  });

  async function start(handler: Partial<PartitionHandler>, minBatchIntervalMs = 0): Promise<void> {
    worker = new PartitionWorker({
      topic: 't',
      partition: 0,
      maxRecords: 10,
      minBatchIntervalMs,
      handler: { position: async () => 0, handle: async () => undefined, ...handler },
      fetch: async (_partition, position): Promise<Fetched> => {
        asked.push(position);
        if (position > end) return { kind: 'out-of-range', start: 0, end };
        return position === end
          ? { kind: 'none' }
          : { kind: 'records', records: records(position, Math.min(25, end - position)) };
      },
      passed: () => undefined,
      logger: quiet,
      monotonic: () => now,
    });
    await pass(0);
  }

  async function pass(ms: number): Promise<void> {
    now += ms;
    await jest.advanceTimersByTimeAsync(ms);
  }

  it('hands over what one fetch brought in batches, and sleeps at the end until it is woken', async () => {
    end = 25;
    const sizes: number[] = [];
    await start({ handle: async (_partition, batch) => void sizes.push(batch.length) });
    expect([sizes, asked, worker.idleAt]).toEqual([[10, 10, 5], [0, 25], 25]);
    await pass(60_000);
    expect(asked).toHaveLength(2); // no polling of its own
    end = 26;
    worker.wake();
    await pass(0);
    expect(sizes).toEqual([10, 10, 5, 1]);
  });

  it('backs off from 100 ms to 5 s while the handler fails, and says so after 10 s', async () => {
    end = 1;
    const at: number[] = [];
    let broken = true;
    await start({
      handle: async () => {
        at.push(now);
        if (broken) throw new Error('no database');
      },
    });
    for (let step = 0; step < 300; step++) await pass(100);
    const pauses = at.map((time, index) => time - (at[index - 1] ?? 0)).slice(1);
    expect(pauses.slice(0, 8)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(worker.trouble()).toEqual({
      kind: 'stopped',
      sentence: 't, partition 0, has failed for 30 s: no database',
    });
    broken = false;
    await pass(5_000);
    expect([worker.trouble(), worker.progress()]).toEqual([null, { partition: 0, state: 'reading', position: 1 }]);
  });

  it('does not report a failure that passes within 10 s', async () => {
    end = 1;
    let attempts = 0;
    await start({
      handle: async () => {
        if (++attempts < 5) throw new Error('away');
      },
    });
    for (let step = 0; step < 20; step++) await pass(100);
    expect([attempts, worker.trouble()]).toEqual([5, null]);
  });

  it('reports a batch that does not end within half a minute', async () => {
    end = 1;
    let finish: () => void = () => undefined;
    await start({ handle: () => new Promise((resolve) => (finish = resolve)) });
    await pass(30_000);
    expect(worker.trouble()).toBeNull();
    await pass(1_000);
    expect(worker.trouble()?.sentence).toBe('t, partition 0, has been in one batch for 31 s');
    finish();
  });

  it('says that it stands when there was something to read for a minute and nothing failed, and not before', async () => {
    end = 1;
    let finish: () => void = () => undefined;
    await start({ handle: () => new Promise((resolve) => (finish = resolve)) });
    expect(worker.audit(1)).toBeNull();
    await pass(60_000);
    expect(worker.audit(1)).toBeNull();
    await pass(1);
    expect(worker.audit(1)).toBe('t, partition 0, has stood at 0 of 1 for a minute');
    finish();
    await pass(0);
    expect(worker.audit(1)).toBeNull();
    await pass(120_000);
    expect(worker.audit(1)).toBeNull(); // nothing to read
  });

  it('does not say that it stands while its handler fails: whatever fails there may come back', async () => {
    end = 1;
    await start({
      handle: async () => {
        throw new Error('no database');
      },
    });
    for (let round = 0; round < 30; round++) {
      await pass(5_000);
      expect(worker.audit(1)).toBeNull();
    }
  });

  it('asks for the position at once when it has moved, and does not spin when it moves for ever', async () => {
    end = 5;
    let asks = 0;
    await start({
      position: async () => {
        asks += 1;
        return 0;
      },
      handle: async () => {
        throw new PositionMoved();
      },
    });
    expect(asks).toBe(2);
    for (let step = 0; step < 10; step++) await pass(100);
    expect(asks).toBe(12);
  });

  it('treats a position that is no offset as a failure of the handler', async () => {
    await start({ position: async () => Number.NaN });
    for (let step = 0; step < 150; step++) await pass(100);
    expect(worker.trouble()?.sentence).toMatch('not an offset: NaN');
  });

  it('keeps the pace it was asked for', async () => {
    end = 1_000;
    const at: number[] = [];
    await start({ handle: async () => void at.push(now) }, 50);
    for (let step = 0; step < 20; step++) await pass(10);
    expect(at).toEqual([0, 50, 100, 150, 200]);
  });
});
