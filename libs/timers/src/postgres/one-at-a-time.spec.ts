import { OneAtATime } from './one-at-a-time';

describe('one at a time', () => {
  it('begins a task when the one before has ended, failed or not', async () => {
    const lane = new OneAtATime();
    const begun: string[] = [];
    let fail = (): void => undefined;
    const first = lane.run(() => {
      begun.push('first');
      return new Promise<never>((_, reject) => (fail = () => reject(new Error('away'))));
    });
    const second = lane.run(() => {
      begun.push('second');
      return Promise.resolve(2);
    });
    await Promise.resolve();
    expect(begun).toEqual(['first']);
    fail();
    await expect(first).rejects.toThrow('away');
    await expect(second).resolves.toBe(2);
    expect(begun).toEqual(['first', 'second']);
  });
});
