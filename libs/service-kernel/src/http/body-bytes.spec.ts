import fc from 'fast-check';
import { BodyBytes, MemoryBudget } from './body-bytes';

describe('the bytes of a body', () => {
  it('are what came, up to the limit, in at most twice the memory', () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 30 });
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 600 }), (parts, limit) => {
        const body = new BodyBytes(limit);
        for (const part of parts) body.add(Buffer.from(part));
        const expected = Buffer.concat(parts).subarray(0, limit);
        expect(body.content).toEqual(expected);
        expect(body.size).toBeLessThanOrEqual(Math.min(limit, 2 * expected.length));
      }),
    );
  });

  it('are none before any came', () => {
    expect(new BodyBytes(10).content).toHaveLength(0);
  });
});

describe('a budget of memory', () => {
  it('refuses what is more than is left, until it is given back', () => {
    const budget = new MemoryBudget(10);
    expect([budget.take(6), budget.take(5), budget.take(4), budget.take(1), budget.take(0)]).toEqual([
      true,
      false,
      true,
      false,
      true,
    ]);
    budget.giveBack(4);
    expect(budget.take(4)).toBe(true);
  });
});
