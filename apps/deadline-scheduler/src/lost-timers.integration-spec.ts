import { eventually, startTestRedis, type TestRedis } from '@flatline/test-kit';
import { Redis } from 'ioredis';
import { PARTITIONS, Stage } from './test-stage';

jest.setTimeout(90_000);

/** A sweep that finds what the timers forgot comes every 30 s; what is judged this soon was woken. */
const WOKEN_WITHIN_MS = 8_000;
const SWEEP_MS = 30_000;
const patiently = { withinMs: 30_000 };

describe('a deadline scheduler with its timers on Redis', () => {
  let redis: TestRedis;
  let client: Redis;
  const stages: Stage[] = [];
  const endings: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    redis = await startTestRedis();
    client = new Redis(redis.url, { retryStrategy: () => 100 });
    client.on('error', () => undefined); // killed by tests
  });
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
    await Promise.all(stages.slice(1).map((stage) => stage.kernel.shutdown.run(5_000)));
    await stages.splice(0)[0]?.close();
    await redis.start();
    await client.flushall();
  });
  afterAll(async () => {
    client.disconnect();
    await redis.stop();
  });

  const open = async (): Promise<Stage> => {
    const stage = await Stage.open(stages[0]?.database, { REDIS_URL: redis.url });
    stages.push(stage);
    await stage.startScheduler();
    return stage;
  };

  /** Heartbeats that were pinged just now and whose deadline is in so many seconds. */
  const pinged = async (stage: Stage, count: number, intervalSecs: number): Promise<number> => {
    const ids = await stage.heartbeats(count, intervalSecs);
    stage.acceptingSince = Date.now() - 10_000;
    const pingedAt = Date.now();
    await stage.pingEach(ids, pingedAt);
    endings.push(stage.pulseOnAndOn());
    await eventually(async () => expect(await armed()).toBe(count), patiently);
    // The first sweep of a process arms what is due soon, and would do the work of the recovery.
    await eventually(async () => expect(await metric(stage, 'flatline_deadlines_judged_total')).toBe(count), patiently);
    return pingedAt + intervalSecs * 1_000;
  };
  const armed = async (): Promise<number> => {
    const shards = Array.from({ length: PARTITIONS }, (_, shard) => shard);
    const counts = await Promise.all(shards.map((shard) => client.zcard(`flatline:deadlines-${shard}:delayed`)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  const metric = async (stage: Stage, name: string): Promise<number> => {
    const text = await stage.kernel.metrics.registry.metrics();
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
  };
  const incidents = async (stage: Stage): Promise<number> => {
    const [row] = await stage.rows<{ count: string }>('SELECT count(*) FROM incident');
    return Number(row?.count);
  };

  /**
   * Guarded by `Sweep` (apps/deadline-scheduler/src/sweep.ts), which judges from the rows what no timer woke for. That the
   * timers come back so soon is the work of `TimerRecovery` (timer-recovery.ts).
   */
  it('12. FLUSHALL with 10 000 armed heartbeats: each later deadline still alerts, in time', async () => {
    const stage = await open();
    const deadlineAt = await pinged(stage, 10_000, 20);
    await client.flushall();
    expect(await armed()).toBeLessThan(10_000);
    const leftMs = deadlineAt + SWEEP_MS + WOKEN_WITHIN_MS - Date.now();
    await eventually(async () => expect(await incidents(stage)).toBe(10_000), { withinMs: leftMs });
    expect(await metric(stage, 'flatline_timers_restored_total')).toBeGreaterThan(0);
    expect(await stage.rows('SELECT DISTINCT started_at FROM incident')).toEqual([
      { started_at: new Date(deadlineAt) },
    ]);
  });

  it('judges without Redis, by sweeping every second, and goes back to timers when it is there', async () => {
    const stage = await open();
    const deadlineAt = await pinged(stage, 50, 6);
    await redis.kill();
    const leftMs = deadlineAt + WOKEN_WITHIN_MS - Date.now();
    await eventually(async () => expect(await incidents(stage)).toBe(50), { withinMs: leftMs });
    await redis.start();
    await eventually(async () => expect(await stage.kernel.health.check()).toEqual([]), patiently);
  });

  it('wakes a shard in the process that reads it, whoever armed it', async () => {
    const first = await open();
    const deadlineAt = await pinged(first, 60, 10);
    const second = await open();
    const owned = async (stage: Stage): Promise<string[]> => {
      const metrics = await stage.kernel.metrics.registry.metrics();
      return [...metrics.matchAll(/^flatline_timers_armed\{shard="(\d)"\}/gm)].map((match) => match[1] ?? '');
    };
    await eventually(async () => {
      expect(await owned(first)).toHaveLength(1);
      expect(await owned(second)).toHaveLength(1);
    }, patiently);
    const leftMs = deadlineAt + WOKEN_WITHIN_MS - Date.now();
    await eventually(async () => expect(await incidents(first)).toBe(60), { withinMs: leftMs });
    // Each judged its own; the first has also swept all of them once.
    expect(await metric(second, 'flatline_deadlines_judged_total')).toBeGreaterThan(0);
    expect(await metric(first, 'flatline_deadlines_judged_total')).toBeGreaterThan(60);
  });

  it('hands a shard over with the wakes that it has in hand', async () => {
    const first = await open();
    const deadlineAt = await pinged(first, 40, 8);
    const second = await open();
    // Without pulses the watermark stands, so every wake waits for it; then its process goes.
    await endings.pop()?.();
    await eventually(() => expect(Date.now()).toBeGreaterThan(deadlineAt + 1_000), patiently);
    expect(await incidents(second)).toBe(0);
    await first.scheduler?.stop();
    endings.push(first.pulseOnAndOn());
    await eventually(async () => expect(await incidents(second)).toBe(40), { withinMs: 2 * WOKEN_WITHIN_MS });
  });
});
