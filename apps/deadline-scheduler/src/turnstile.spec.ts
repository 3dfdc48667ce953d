import { Turnstile } from './turnstile';

describe('a turnstile', () => {
  it('lets so many tasks run at once, in the order they came, whether they succeed or fail', async () => {
    const turnstile = new Turnstile(2);
    const started: number[] = [];
    let running = 0;
    let most = 0;
    const task = (index: number) => async (): Promise<number> => {
      started.push(index);
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      running -= 1;
      if (index % 3 === 0) throw new Error(`task ${index}`);
      return index;
    };
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => turnstile.pass(task(index))));
    expect(most).toBe(2);
    expect(started).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(outcomes.filter((outcome) => outcome.status === 'rejected')).toHaveLength(7);
  });
});
