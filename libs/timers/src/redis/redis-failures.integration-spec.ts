import { join } from 'node:path';

import { eventually, startTestProcess, startTestRedis, type TestRedis } from '@flatline/test-kit';
import { Redis } from 'ioredis';

import { createTimers } from '../create-timers';
import type { Timers, WakeQueue } from '../wake-queue';
import { clock } from '../wake-recorder.contract-suite';

jest.setTimeout(60_000);

const HOUR_MS = 3_600_000;
const patiently = { withinMs: 30_000 };

describe('timers on Redis when something breaks', () => {
  let redis: TestRedis;
  const lines: string[] = [];
  const logger = {
    info: () => undefined,
    warn: (_fields: object, message: string) => void lines.push(message),
    error: (_fields: object, message: string) => void lines.push(message),
  };
  const closers: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    redis = await startTestRedis();
  });
  beforeEach(() => {
    lines.length = 0;
  });
  afterEach(async () => {
    redis.resume();
    for (const close of closers.splice(0).reverse()) await close();
    await redis.start();
    await ask(redis.url, (client) => client.flushall());
  });
  afterAll(() => redis.stop());

  const openTimers = async (redisUrl = redis.url): Promise<Timers> => {
    const timers = await createTimers({ redisUrl, databaseUrl: '', logger, clock });
    closers.push(() => timers.close());
    return timers;
  };
  const startQueue = async (timers: Timers, woken = new Map<string, number>()): Promise<WakeQueue> => {
    const queue = timers.queue('deadlines-0');
    await queue.start(async (id) => void woken.set(id, clock.now()), { concurrency: 10 });
    return queue;
  };

  it('starts while Redis is away, says so, and wakes when it is there', async () => {
    await redis.kill();
    const woken = new Map<string, number>();
    const queue = await startQueue(await openTimers(), woken);
    const askedAtMs = clock.monotonic();
    await expect(queue.wakeAt([{ id: 'a', at: 1 }])).rejects.toMatchObject({ name: 'TimersUnavailable' });
    expect(clock.monotonic() - askedAtMs).toBeLessThan(2_500);
    expect(await queue.missing()).toMatch(/^the timers cannot use Redis: no connection \(.*ECONNREFUSED/);
    await expect(queue.armedCount()).rejects.toMatchObject({ name: 'TimersUnavailable' });
    await expect(queue.isIntact('all')).rejects.toMatchObject({ name: 'TimersUnavailable' });
    expect(lines.length).toBeLessThan(10);

    await redis.start();
    await eventually(() => queue.wakeAt([{ id: 'a', at: 1 }]), patiently);
    await eventually(() => expect([...woken.keys()]).toEqual(['a']), patiently);
    await eventually(async () => expect(await queue.missing()).toBeNull(), patiently);
  });

  it('wakes what came due while Redis was killed and came back, and what is armed afterwards', async () => {
    const woken = new Map<string, number>();
    const queue = await startQueue(await openTimers(), woken);
    const ids = Array.from({ length: 20 }, (_, index) => `heartbeat-${index}`);
    await queue.wakeAt(ids.map((id, index) => ({ id, at: clock.now() + 500 + index * 100 })));
    await redis.kill();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await redis.start();
    await eventually(() => expect([...woken.keys()].sort()).toEqual([...ids].sort()), patiently);
    const after = { id: 'after', at: clock.now() + 300 };
    await queue.wakeAt([after]);
    await eventually(() => expect(woken.has('after')).toBe(true), patiently);
    expect((woken.get('after') ?? 0) - after.at).toBeLessThan(2_000);
    expect(lines.length).toBeLessThan(10);
  });

  it('tells soon that a frozen Redis took nothing, and goes on when it thaws', async () => {
    const woken = new Map<string, number>();
    const queue = await startQueue(await openTimers(), woken);
    await queue.wakeAt([{ id: 'due', at: clock.now() + 1_000 }]);
    await eventually(async () => expect(await queue.missing()).toBeNull(), patiently);
    await redis.pause();
    const askedAtMs = clock.monotonic();
    const refused = queue.wakeAt([{ id: 'a', at: 1 }]).catch((error: Error) => error.name);
    expect(await queue.missing()).toMatch(/^the timers cannot use Redis: |does not answer/);
    expect(await refused).toBe('TimersUnavailable');
    expect(clock.monotonic() - askedAtMs).toBeLessThan(3_500);
    // Long enough for every connection to be given up.
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    redis.resume();
    await eventually(() => expect(woken.has('due')).toBe(true), patiently);
    await eventually(() => queue.wakeAt([{ id: 'b', at: clock.now() + 100 }]), patiently);
    await eventually(() => expect(woken.has('b')).toBe(true), patiently);
    await eventually(async () => expect(await queue.missing()).toBeNull(), patiently);
  });

  it.each(['frozen', 'gone'])('closes within 2 s while Redis is %s', async (state) => {
    const timers = await openTimers();
    const queue = await startQueue(timers);
    await timers.queue('deliveries').start(async () => undefined, { concurrency: 10 });
    await eventually(async () => expect(await queue.missing()).toBeNull(), patiently);
    if (state === 'frozen') await redis.pause();
    else await redis.kill();
    const closedFromMs = clock.monotonic();
    await timers.close();
    expect(clock.monotonic() - closedFromMs).toBeLessThan(2_100);
  });

  it('does not accept a Redis that forgets or throws away, and says what to set', async () => {
    const queue = await startQueue(await openTimers());
    const missing = (): Promise<string | null> => queue.missing();
    await eventually(async () => expect(await missing()).toBeNull(), patiently);
    await ask(redis.url, (client) => client.config('SET', 'maxmemory-policy', 'allkeys-lru'));
    expect(await missing()).toMatch(/\(allkeys-lru\); set "maxmemory-policy noeviction" there$/);
    await ask(redis.url, (client) => client.config('SET', 'maxmemory-policy', 'noeviction'));
    await ask(redis.url, (client) => client.config('SET', 'appendonly', 'no'));
    expect(await missing()).toMatch(/set "appendonly yes" there$/);
    await ask(redis.url, (client) => client.config('SET', 'appendonly', 'yes'));
    expect(await missing()).toBeNull();
  });

  it('wakes again what a killed process held', async () => {
    const library = join(__dirname, '../../../../dist/libs/timers/src/index.js');
    const victim = startTestProcess({ args: ['-e', HOLDS_FOR_EVER, library, redis.url] });
    const queue = (await openTimers()).queue('deadlines-0');
    await queue.wakeAt(Array.from({ length: 30 }, (_, index) => ({ id: `heartbeat-${index}`, at: clock.now() })));
    await victim.line(/holds 5/);
    await victim.stop('SIGKILL');
    const woken = new Map<string, number>();
    await startQueue(await openTimers(), woken);
    await eventually(() => expect(woken.size).toBe(30), patiently);
  });

  it('leaves nothing behind of what was woken or cancelled, and needs one connection for each queue that it wakes', async () => {
    const timers = await openTimers();
    const woken = new Map<string, number>();
    const queue = await startQueue(timers, woken);
    for (const shard of [1, 2, 3])
      await timers.queue(`deadlines-${shard}`).start(async () => undefined, { concurrency: 1 });
    const ids = Array.from({ length: 600 }, (_, index) => `heartbeat-${index}`);
    await queue.wakeAt(ids.map((id) => ({ id, at: clock.now() + HOUR_MS })));
    await queue.wakeAt(ids.slice(0, 300).map((id) => ({ id, at: clock.now() + 100 })));
    await queue.cancel(ids.slice(300));
    await eventually(() => expect(woken.size).toBe(300), patiently);
    const perQueue = /:(meta|marker|events|stalled|stalled-check|id)$/;
    await eventually(async () => {
      const keys = await ask(redis.url, (client) => client.keys('*'));
      expect(keys.filter((key) => !perQueue.test(key))).toEqual([]);
    }, patiently);
    const clients = String(await ask(redis.url, (client) => client.client('LIST')));
    expect(clients.trim().split('\n').length).toBeLessThanOrEqual(2 + 4 + 1);
  });
});

/** A process that claims wake-ups and never ends them. */
const HOLDS_FOR_EVER = `
  const [library, redisUrl] = process.argv.slice(1);
  const { createTimers } = require(library);
  const log = (fields, message) => console.log(message, fields.err);
  let held = 0;
  createTimers({
    redisUrl,
    logger: { info: log, warn: log, error: log },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
  }).then((timers) => timers.queue('deadlines-0').start(() => {
    held += 1;
    console.log('holds ' + held);
    return new Promise(() => undefined);
  }, { concurrency: 5 }));`;

async function ask<Answer>(url: string, question: (client: Redis) => Promise<Answer>): Promise<Answer> {
  const client = new Redis(url);
  try {
    return await question(client);
  } finally {
    client.disconnect();
  }
}
