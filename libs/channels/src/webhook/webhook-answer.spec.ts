import { judgeAnswer, MAX_RETRY_AFTER_MS, retryAfterMs } from './webhook-answer';

const now = Date.UTC(2026, 0, 1);

describe('judgeAnswer', () => {
  it.each([200, 201, 202, 204, 299])('takes %d as delivered', (status) => {
    expect(judgeAnswer(status, undefined, now).outcome).toBe('delivered');
  });

  it.each([0, 99, 408, 425, 429, 500, 502, 503, 504, 599, 999])('tries again after %d', (status) => {
    expect(judgeAnswer(status, undefined, now).outcome).toBe('retryable');
  });

  it.each([401, 403, 404])('tries again after %d, which a receiver under deployment answers', (status) => {
    expect(judgeAnswer(status, undefined, now).outcome).toBe('retryable');
  });

  it.each([301, 302, 307, 308])('neither follows nor gives up at %d', (status) => {
    expect(judgeAnswer(status, undefined, now)).toMatchObject({ outcome: 'retryable' });
  });

  it.each([400, 405, 410, 413, 415, 422, 451])('gives up at %d', (status) => {
    expect(judgeAnswer(status, undefined, now).outcome).toBe('permanent');
  });

  it('hands on what the receiver asked for', () => {
    expect(judgeAnswer(429, '7', now)).toMatchObject({ outcome: 'retryable', retryAfterMs: 7_000 });
    expect(judgeAnswer(503, undefined, now)).not.toHaveProperty('retryAfterMs');
  });
});

describe('Retry-After', () => {
  it.each([
    ['seconds', '120', 120_000],
    ['a date', new Date(now + 90_000).toUTCString(), 90_000],
    ['a date that has passed', new Date(now - 90_000).toUTCString(), 0],
    ['absurdly many seconds', '99999999999999999999', MAX_RETRY_AFTER_MS],
    ['nothing', '', undefined],
    ['a negative number', '-5', undefined],
    ['a word', 'soon', undefined],
  ])('of %s is read', (_what, header, waitMs) => {
    expect(retryAfterMs(header, now)).toBe(waitMs);
  });
});
