import { setImmediate as turn } from 'node:timers/promises';
import { permanent, type SendOutcome } from '@flatline/channels';
import type { Logger } from '@flatline/service-kernel';
import type { AlertNotice } from './alert-book';
import { AlertPost } from './alert-post';
import type { AlertTarget } from './alert-targets';

const notice = (status: AlertNotice['status'], condition: AlertNotice['condition'] = 'outbox_stuck'): AlertNotice => ({
  ...{ status, condition, sentence: 'it is old', sinceAt: 0, endedAt: null },
  idempotencyKey: `${condition}-${status}`,
});

/** Guarded by `post` and `deliver` in libs/infrastructure/src/operator/alert-post.ts. */
describe('the post of operator alerts', () => {
  let offered: string[];
  let answers: (SendOutcome | Promise<SendOutcome>)[];
  let pauses: { ms: number; end: () => void }[];
  let lines: string[];
  let post: AlertPost;

  const away: SendOutcome = { outcome: 'retryable', reason: 'the connection was refused' };
  const taken: SendOutcome = { outcome: 'delivered', reason: 'ok' };

  beforeEach(() => {
    [offered, answers, pauses, lines] = [[], [], [], []];
    const target: AlertTarget = {
      name: 'webhook',
      send: async ({ idempotencyKey }) => {
        offered.push(idempotencyKey);
        return answers.shift() ?? taken;
      },
      close: async () => undefined,
    };
    const note = (_fields: object, message: string): void => void lines.push(message);
    post = new AlertPost([target], { warn: note, error: note } as unknown as Logger, (ms, signal) => {
      return new Promise((resolve, reject) => {
        pauses.push({ ms, end: () => resolve(undefined) });
        signal.addEventListener('abort', () => reject(new Error('cut')));
      });
    });
  });

  const settle = async (): Promise<void> => {
    for (let round = 0; round < 5; round++) await turn();
  };
  const pass = async (): Promise<void> => {
    pauses.at(-1)?.end();
    await settle();
  };

  it('tries until somebody takes it, longer and longer apart, and says once that it is hard', async () => {
    answers = Array.from({ length: 9 }, () => away);
    post.post(notice('raised'));
    await settle();
    for (let attempt = 0; attempt < 9; attempt++) await pass();
    expect(offered).toEqual(Array.from({ length: 10 }, () => 'outbox_stuck-raised'));
    expect(pauses.map(({ ms }) => ms / 1_000)).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
    expect(lines).toEqual(['an operator alert could not be delivered; trying again']);
  });

  it('drops what a newer notice of the same condition says, too, and leaves other conditions alone', async () => {
    answers = [away, away];
    post.post(notice('raised'));
    post.post(notice('raised', 'disk_full'));
    await settle();
    post.post(notice('over'));
    await settle();
    pauses.forEach(({ end }) => end());
    await settle();
    expect(offered).toEqual(['outbox_stuck-raised', 'disk_full-raised', 'outbox_stuck-over', 'disk_full-raised']);
  });

  it('gives up what is refused for good, with a line', async () => {
    answers = [permanent('the receiver answered 410')];
    post.post(notice('raised'));
    await settle();
    expect([offered.length, pauses.length, lines]).toEqual([1, 0, ['an operator alert was refused for good']]);
  });

  it('keeps nobody waiting at the end for what cannot be delivered', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] });
    try {
      answers = [new Promise(() => undefined)];
      post.post(notice('raised'));
      const closed = post.close();
      await jest.advanceTimersByTimeAsync(2_000);
      await closed;
    } finally {
      jest.useRealTimers();
    }
    expect(offered).toEqual(['outbox_stuck-raised']);
  });
});
