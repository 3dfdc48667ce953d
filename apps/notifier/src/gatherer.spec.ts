import { Gatherer } from './gatherer';

describe('a gatherer', () => {
  it('runs calls of the same turn together and gives each its own result', async () => {
    const batches: number[][] = [];
    const doubled = new Gatherer<number, number>((items) => {
      batches.push([...items]);
      return Promise.resolve(items.map((item) => item * 2));
    }, 10);
    expect(await Promise.all([1, 2, 3].map((item) => doubled.add(item)))).toEqual([2, 4, 6]);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('lets what comes meanwhile go with the next batch, in order and not too many', async () => {
    const batches: number[][] = [];
    let letGo: () => void = () => undefined;
    const first = new Promise<void>((resolve) => (letGo = resolve));
    const gatherer = new Gatherer<number, number>(async (items) => {
      batches.push([...items]);
      if (batches.length === 1) await first;
      return items;
    }, 2);
    const calls = [gatherer.add(1)];
    await new Promise((resolve) => setImmediate(resolve));
    calls.push(gatherer.add(2), gatherer.add(3), gatherer.add(4));
    letGo();
    await Promise.all(calls);
    expect(batches).toEqual([[1], [2, 3], [4]]);
  });

  it('fails the calls of a batch that failed and goes on with the next', async () => {
    let fail = true;
    const gatherer = new Gatherer<number, number>(
      (items) => (fail ? Promise.reject(new Error('away')) : Promise.resolve(items)),
      10,
    );
    await expect(gatherer.add(1)).rejects.toThrow('away');
    fail = false;
    await expect(gatherer.add(2)).resolves.toBe(2);
  });
});
