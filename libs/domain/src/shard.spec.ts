import { shardOf } from './shard';

describe('the shard of a heartbeat', () => {
  it('never changes for an id: these are recorded', () => {
    expect(shardOf('0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a', 4)).toBe(2);
    expect(shardOf('0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a', 32)).toBe(14);
  });

  it('spreads ids evenly', () => {
    const counts = new Array<number>(32).fill(0);
    for (let index = 0; index < 32_000; index += 1) counts[shardOf(`id-${index}`, 32)]! += 1;
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1_150);
  });
});
