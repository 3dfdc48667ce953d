import { eventually } from './eventually';

describe('eventually', () => {
  it('returns what the first passing attempt returned', async () => {
    let attempts = 0;
    const value = await eventually(
      () => {
        attempts += 1;
        expect(attempts).toBeGreaterThan(2);
        return 'done';
      },
      { everyMs: 1 },
    );
    expect(value).toBe('done');
    expect(attempts).toBe(3);
  });

  it('fails with the last error and the time waited', async () => {
    const attempt = eventually(() => Promise.reject(new Error('still red')), { withinMs: 10, everyMs: 1 });
    await expect(attempt).rejects.toThrow(/^not so within \d+ ms: still red$/);
  });
});
