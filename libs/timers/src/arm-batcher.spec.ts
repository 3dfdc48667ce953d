import { ArmBatcher } from './arm-batcher';
import type { WakeEntry } from './wake-queue';

describe('the arm batcher', () => {
  /** Batches wait here until the test lets them through. */
  function gated() {
    const batches: { entries: WakeEntry[]; succeed(): void; fail(error: Error): void }[] = [];
    const batcher = new ArmBatcher(
      (entries) => new Promise((resolve, reject) => batches.push({ entries, succeed: resolve, fail: reject })),
    );
    return { batcher, batches };
  }
  const entry = (id: string, at = 1): WakeEntry => ({ id, at });
  const ticks = async (): Promise<void> => {
    for (let tick = 0; tick < 10; tick += 1) await Promise.resolve();
  };

  it('puts the calls of one tick into one batch, in the order of ids', async () => {
    const { batcher, batches } = gated();
    const calls = [batcher.add([entry('c'), entry('a')]), batcher.add([entry('b')])];
    await ticks();
    expect(batches.map(({ entries }) => entries.map(({ id }) => id))).toEqual([['a', 'b', 'c']]);
    batches[0]?.succeed();
    await expect(Promise.all(calls)).resolves.toBeDefined();
  });

  it('gathers what comes while a batch is on its way, and keeps the last instant of an id', async () => {
    const { batcher, batches } = gated();
    const first = batcher.add([entry('a', 1)]);
    await ticks();
    const later = [batcher.add([entry('a', 2)]), batcher.add([entry('b', 3)]), batcher.add([entry('a', 4)])];
    await ticks();
    expect(batches).toHaveLength(1);
    batches[0]?.succeed();
    await first;
    await ticks();
    expect(batches[1]?.entries).toEqual([entry('a', 4), entry('b', 3)]);
    batches[1]?.succeed();
    await Promise.all(later);
    await batcher.idle();
    expect(batches).toHaveLength(2);
  });

  it('splits what is too much for one statement', async () => {
    const sizes: number[] = [];
    const batcher = new ArmBatcher((entries) => {
      sizes.push(entries.length);
      return Promise.resolve();
    });
    await batcher.add(Array.from({ length: 1_200 }, (_, index) => entry(`heartbeat-${index}`)));
    expect(sizes).toEqual([500, 500, 200]);
  });

  it('tells the callers of a failed batch, and goes on with the next', async () => {
    const { batcher, batches } = gated();
    const first = batcher.add([entry('a')]);
    await ticks();
    const second = batcher.add([entry('b')]);
    batches[0]?.fail(new Error('away'));
    await expect(first).rejects.toThrow('away');
    await ticks();
    batches[1]?.succeed();
    await expect(second).resolves.toBeUndefined();
    await expect(batcher.add([])).resolves.toBeUndefined();
  });
});
