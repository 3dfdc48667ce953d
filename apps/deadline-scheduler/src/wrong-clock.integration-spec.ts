import { shardOf } from '@flatline/domain';
import type { Clock } from '@flatline/service-kernel';
import { eventually } from '@flatline/test-kit';
import { PARTITIONS, Stage } from './test-stage';

const HOUR = 3_600_000;

/** The machine's clock, and what was added to it. */
class SetClock implements Clock {
  aheadMs = 0;
  now(): number {
    return Date.now() + this.aheadMs;
  }
  monotonic(): number {
    return performance.now();
  }
}

describe('a scheduler whose clock is wrong', () => {
  const clock = new SetClock();
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open(undefined, {}, { clock });
    await stage.startScheduler();
  });
  afterAll(async () => {
    await stage.close();
  });

  /** Down at the first miss, a second after its ping. */
  async function pinged(at: number): Promise<string> {
    const id = await stage.heartbeat(1, 0, 1);
    await stage.ping(id, at);
    await eventually(async () => expect(await stage.pingCount(id)).toBe(1), { withinMs: 5_000 });
    return id;
  }
  const notReady = async (): Promise<string | undefined> =>
    (await stage.kernel.health.check()).find(({ component }) => component === 'clock')?.missing;
  /** However often it is looked at. */
  async function staysUpUntil(instant: number, id: string, meanwhile: () => Promise<void>): Promise<void> {
    while (Date.now() < instant) {
      await meanwhile();
      await stage.scheduler!['sweep'].sweepShard(shardOf(id, PARTITIONS), Date.now() + HOUR);
      expect(await stage.incidents(id)).toEqual([]);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  it('judges nothing before the watermark when it is fast, and is not ready', async () => {
    // Guarded by `foldWatermark` in fold.ts: deadlines lie before the watermark *and* before now.
    clock.aheadMs = HOUR;
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    await stage.pulse(pingedAt + 1);
    const id = await pinged(pingedAt);
    await staysUpUntil(pingedAt + 1_700, id, () => stage.pulse(pingedAt + 900));
    const pulsing = stage.pulseOnAndOn();
    await eventually(async () => expect(await notReady()).toMatch(/^the clock .* 3[56]\d\d\.\d s ahead of/), {
      withinMs: 10_000,
    });
    await eventually(
      async () => expect(await stage.incidents(id)).toMatchObject([{ startedAt: pingedAt + 1_000, endedAt: null }]),
      { withinMs: 10_000 },
    );
    await pulsing();
  });

  it('judges nothing before its own time when it is slow, is not ready, and misses nothing when it is put right', async () => {
    // Guarded by `foldWatermark` in fold.ts, which takes the earlier of the watermark and now.
    clock.aheadMs = -HOUR;
    const pingedAt = Date.now();
    const id = await pinged(pingedAt);
    const pulsing = stage.pulseOnAndOn();
    await staysUpUntil(pingedAt + 2_000, id, () => Promise.resolve());
    await eventually(async () => expect(await notReady()).toMatch(/^the clock .* 3[56]\d\d\.\d s behind/), {
      withinMs: 10_000,
    });
    clock.aheadMs = 0;
    await eventually(
      async () => expect(await stage.incidents(id)).toMatchObject([{ startedAt: pingedAt + 1_000, endedAt: null }]),
      { withinMs: 10_000 },
    );
    await eventually(async () => expect(await notReady()).toBeUndefined(), { withinMs: 10_000 });
    await pulsing();
  });
});
