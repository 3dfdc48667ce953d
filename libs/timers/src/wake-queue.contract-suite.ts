import { eventually } from '@flatline/test-kit';

import { clock, Recorder } from './wake-recorder.contract-suite';
import type { Timers, WakeEntry, WakeQueueName } from './wake-queue';

/** One store, empty; each `timers()` is another process as far as the store can tell. */
export interface WakeQueueHarness {
  timers(): Promise<Timers>;
  /** Loses everything in the store at once, under the feet of whoever uses it. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

const HOUR_MS = 3_600_000;
const patiently = { withinMs: 15_000 };

/**
 * What every wake queue promises, whatever keeps its jobs.
 *
 * @param openHarness makes an empty store for one test
 */
export function wakeQueueContract(store: string, openHarness: () => Promise<WakeQueueHarness>): void {
  describe(`wake queue on ${store}`, () => {
    let harness: WakeQueueHarness;
    const open: Timers[] = [];

    const timers = async (): Promise<Timers> => {
      const created = await harness.timers();
      open.push(created);
      return created;
    };
    const started = async (name: WakeQueueName = 'deadlines-0', concurrency = 100): Promise<Recorder> => {
      const recorder = new Recorder((await timers()).queue(name));
      await recorder.start(concurrency);
      return recorder;
    };

    beforeEach(async () => {
      harness = await openHarness();
    });
    afterEach(async () => {
      await Promise.all(open.splice(0).map((each) => each.close()));
      await harness.close();
    });

    it('wakes at the instant, not before, and then no more', async () => {
      const recorder = await started();
      const at = clock.now() + 400;
      await recorder.queue.wakeAt([{ id: 'a', at }]);
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1 }), patiently);
      expect(recorder.at('a')).toBeGreaterThanOrEqual(at);
      expect(await recorder.queue.armedCount()).toBe(0);
      expect(await recorder.wakesOfTheNext300Ms()).toBe(0);
    });

    it('wakes at once when the instant has passed', async () => {
      const recorder = await started();
      await recorder.queue.wakeAt([{ id: 'a', at: 0 }]);
      await recorder.queue.wakeAt([{ id: 'b', at: clock.now() - HOUR_MS }]);
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1, b: 1 }), patiently);
    });

    it('moves a wake-up to a later instant', async () => {
      const recorder = await started();
      await recorder.queue.wakeAt([{ id: 'a', at: clock.now() + 500 }]);
      const later = clock.now() + 1_500;
      await recorder.queue.wakeAt([{ id: 'a', at: later }]);
      expect(await recorder.queue.armedCount()).toBe(1);
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1 }), patiently);
      expect(recorder.at('a')).toBeGreaterThanOrEqual(later);
    });

    it('moves a wake-up to an earlier instant, under a worker that sleeps towards the later one', async () => {
      const recorder = await started();
      const other = (await timers()).queue('deadlines-0');
      await recorder.queue.wakeAt([{ id: 'a', at: clock.now() + HOUR_MS }]);
      expect(await recorder.wakesOfTheNext300Ms()).toBe(0);
      const at = clock.now() + 100;
      await other.wakeAt([{ id: 'a', at }]);
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1 }), patiently);
      expect(recorder.at('a') - at).toBeLessThan(2_000);
    });

    it('moves an overdue wake-up to an instant that has passed too', async () => {
      const recorder = new Recorder((await timers()).queue('deadlines-0'));
      await recorder.queue.wakeAt([
        { id: 'a', at: clock.now() - 10 },
        { id: 'b', at: clock.now() + HOUR_MS },
      ]);
      await recorder.queue.wakeAt([{ id: 'b', at: clock.now() - 1 }]);
      await recorder.start();
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1, b: 1 }), patiently);
    });

    it('takes the last of several entries for one id', async () => {
      const recorder = await started();
      const at = clock.now() + 300;
      await recorder.queue.wakeAt([
        { id: 'a', at: at + HOUR_MS },
        { id: 'a', at },
      ]);
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1 }), patiently);
      expect(await recorder.queue.armedCount()).toBe(0);
    });

    it('can be armed again from inside its own wake', async () => {
      const queue = (await timers()).queue('deadlines-0');
      let wakes = 0;
      await queue.start(
        async (id) => {
          wakes += 1;
          if (wakes < 4) await queue.wakeAt([{ id, at: clock.now() + 50 }]);
        },
        { concurrency: 10 },
      );
      await queue.wakeAt([{ id: 'a', at: clock.now() }]);
      await eventually(() => expect(wakes).toBe(4));
      expect(await queue.armedCount()).toBe(0);
    });

    it('adds a second wake-up beside one that is running, and both leave nothing behind', async () => {
      const recorder = new Recorder((await timers()).queue('deadlines-0'));
      const release = recorder.hold();
      await recorder.start();
      await recorder.queue.wakeAt([{ id: 'a', at: clock.now() }]);
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1 }), patiently);
      await recorder.queue.wakeAt([{ id: 'a', at: clock.now() + 100 }]);
      expect(recorder.queue.counts().doubled).toBe(1);
      release();
      await eventually(() => expect(recorder.tally()).toEqual({ a: 2 }), patiently);
      await recorder.queue.wakeAt([{ id: 'a', at: clock.now() }]);
      await eventually(() => expect(recorder.tally()).toEqual({ a: 3 }), patiently);
      expect(await recorder.queue.armedCount()).toBe(0);
    });

    it('cancels what has not begun, and no other', async () => {
      const recorder = await started();
      const at = clock.now() + 400;
      await recorder.queue.wakeAt([
        { id: 'a', at },
        { id: 'b', at },
      ]);
      await recorder.queue.cancel(['a', 'unknown']);
      await eventually(() => expect(recorder.tally()).toEqual({ b: 1 }), patiently);
      expect(await recorder.wakesOfTheNext300Ms()).toBe(0);
      await recorder.queue.wakeAt([{ id: 'a', at: clock.now() }]);
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1, b: 1 }), patiently);
    });

    it('drops a wake-up whose handler throws, counts it, and goes on', async () => {
      const queue = (await timers()).queue('deadlines-0');
      const seen: string[] = [];
      await queue.start(
        async (id) => {
          seen.push(id);
          if (id === 'bad') throw new TypeError('no such row');
        },
        { concurrency: 1 },
      );
      await queue.wakeAt([
        { id: 'bad', at: 1 },
        { id: 'good', at: clock.now() },
      ]);
      await eventually(() => expect([...seen].sort()).toEqual(['bad', 'good']));
      await eventually(() => expect(queue.counts()).toMatchObject({ woken: 1, wakesFailed: 1 }));
      await queue.wakeAt([{ id: 'bad', at: clock.now() }]);
      await eventually(() => expect(queue.counts().wakesFailed).toBe(2));
    });

    it('wakes 1,000 of the same instant, each once', async () => {
      const recorder = await started();
      const at = clock.now() + 1_500;
      const ids = Array.from({ length: 1_000 }, (_, index) => `heartbeat-${index}`);
      await recorder.queue.wakeAt(ids.map((id) => ({ id, at })));
      await eventually(() => expect(recorder.tally()).toEqual(Object.fromEntries(ids.map((id) => [id, 1]))), patiently);
      expect(Math.min(...ids.map((id) => recorder.at(id)))).toBeGreaterThanOrEqual(at);
    });

    it('shares the wakes of one queue among processes, each once', async () => {
      const one = await started();
      const two = await started();
      const at = clock.now() + 500;
      const ids = Array.from({ length: 300 }, (_, index) => `heartbeat-${index}`);
      await one.queue.wakeAt(ids.map((id) => ({ id, at })));
      await eventually(() => expect([...one.ids, ...two.ids].sort()).toEqual([...ids].sort()));
    });

    it('stops waking in one process while another goes on, and starts again', async () => {
      const one = await started();
      await one.queue.wakeAt([{ id: 'a', at: clock.now() }]);
      await eventually(() => expect(one.tally()).toEqual({ a: 1 }), patiently);
      await one.queue.stop();
      expect(await one.queue.missing()).toMatch(/not started/);
      await one.queue.wakeAt([{ id: 'b', at: clock.now() }]);
      expect(await one.wakesOfTheNext300Ms()).toBe(0);
      const two = await started();
      await eventually(() => expect(two.tally()).toEqual({ b: 1 }), patiently);
      await two.queue.stop();
      await one.start();
      await two.queue.wakeAt([{ id: 'c', at: clock.now() }]);
      await eventually(() => expect(one.tally()).toEqual({ a: 1, c: 1 }), patiently);
      await expect(one.start()).rejects.toThrow(/already started/);
    });

    it('is not intact before it was restored, and after that until everything is lost', async () => {
      const { queue } = new Recorder((await timers()).queue('deadlines-0'));
      const other = (await timers()).queue('deadlines-1');
      expect(await queue.isIntact('4 shards')).toBe(false);
      expect(await queue.restore('4 shards', pagesOf())).toBe(true);
      expect(await queue.isIntact('4 shards')).toBe(true);
      expect(await queue.isIntact('8 shards')).toBe(false);
      expect(await other.isIntact('4 shards')).toBe(false);
      await harness.empty();
      expect(await queue.isIntact('4 shards')).toBe(false);
    });

    it('restores what was lost, and leaves alone what was armed since', async () => {
      const recorder = await started();
      const at = clock.now() + 500;
      await recorder.queue.wakeAt([
        { id: 'a', at },
        { id: 'b', at },
      ]);
      await harness.empty();
      await recorder.queue.wakeAt([{ id: 'b', at: at + 100 }]);
      const many = Array.from({ length: 1_200 }, (_, index) => ({ id: `heartbeat-${index}`, at: at + HOUR_MS }));
      await recorder.queue.restore('all', pagesOf([{ id: 'a', at }, { id: 'b', at: at + HOUR_MS }, ...many], many));
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1, b: 1 }), patiently);
      expect(recorder.at('b')).toBeGreaterThanOrEqual(at + 100);
      expect(await recorder.queue.armedCount()).toBe(1_200);
      expect(await recorder.queue.isIntact('all')).toBe(true);
    });

    it('notices that everything was lost once more while it restored', async () => {
      const queue = (await timers()).queue('deadlines-0');
      const at = clock.now() + HOUR_MS;
      const lost = (async function* () {
        yield [{ id: 'a', at }];
        await harness.empty();
        yield [{ id: 'b', at }];
      })();
      expect(await queue.restore('all', lost)).toBe(false);
      expect(await queue.isIntact('all')).toBe(false);
    });

    it('is not intact when the pages to restore cannot be read to their end', async () => {
      const queue = (await timers()).queue('deadlines-0');
      const broken = (async function* () {
        yield [{ id: 'a', at: clock.now() + HOUR_MS }];
        await Promise.reject(new Error('the connection was lost'));
      })();
      await expect(queue.restore('all', broken)).rejects.toThrow('the connection was lost');
      expect(await queue.isIntact('all')).toBe(false);
    });

    it('keeps the queues apart', async () => {
      const shared = await timers();
      const deadlines = new Recorder(shared.queue('deadlines-0'));
      const neighbours = new Recorder(shared.queue('deadlines-1'));
      const deliveries = new Recorder(shared.queue('deliveries'));
      await Promise.all([deadlines.start(), neighbours.start(), deliveries.start()]);
      await deadlines.queue.wakeAt([{ id: 'a', at: clock.now() }]);
      await deliveries.queue.wakeAt([
        { id: 'a', at: clock.now() + 50 },
        { id: 'b', at: clock.now() },
      ]);
      await eventually(() => expect(deadlines.tally()).toEqual({ a: 1 }), patiently);
      await eventually(() => expect(deliveries.tally()).toEqual({ a: 1, b: 1 }), patiently);
      expect(neighbours.ids).toEqual([]);
      expect(shared.queue('deadlines-0')).toBe(deadlines.queue);
    });

    it('remembers over a restart', async () => {
      const before = await timers();
      await before.queue('deadlines-0').wakeAt([{ id: 'a', at: clock.now() + 200 }]);
      await before.close();
      const recorder = await started();
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1 }), patiently);
    });

    it('loses no wake-up that is moved while it comes due', async () => {
      const recorder = await started();
      const ids = Array.from({ length: 50 }, (_, index) => `heartbeat-${index}`);
      const last = new Map<string, number>();
      for (let round = 0; round < 30; round += 1) {
        const entries: WakeEntry[] = ids.map((id, index) => ({ id, at: clock.now() + ((index + round) % 5) * 10 }));
        for (const { id, at } of entries) last.set(id, at);
        await recorder.queue.wakeAt(entries);
      }
      await eventually(() => {
        const forgotten = ids.filter((id) => recorder.at(id) < (last.get(id) ?? 0));
        expect(forgotten).toEqual([]);
      });
    });

    it('refuses ids and instants it cannot keep, and arms nothing of that call', async () => {
      const recorder = await started();
      const good = { id: 'a', at: clock.now() };
      const bad = [
        { id: '', at: 1 },
        { id: 'a:b', at: 1 },
        { id: '12', at: 1 },
        { id: 'x'.repeat(201), at: 1 },
        { id: 'b', at: Number.NaN },
        { id: 'b', at: 1.5 },
        { id: 'b', at: -1 },
        { id: 'b', at: Infinity },
      ];
      for (const entry of bad) await expect(recorder.queue.wakeAt([good, entry])).rejects.toThrow(RangeError);
      expect(await recorder.wakesOfTheNext300Ms()).toBe(0);
    });

    it('says what is missing', async () => {
      const queue = (await timers()).queue('deadlines-0');
      expect(await queue.missing()).toMatch(/not started/);
      await queue.start(async () => undefined, { concurrency: 1 });
      await eventually(async () => expect(await queue.missing()).toBeNull());
      await queue.close();
      expect(await queue.missing()).toMatch(/closed/);
    });

    it('lets running wakes end on close, arming included', async () => {
      const first = await timers();
      const queue = first.queue('deadlines-0');
      let entered = false;
      await queue.start(
        async (id) => {
          entered = true;
          await new Promise((resolve) => setTimeout(resolve, 300));
          await queue.wakeAt([{ id, at: clock.now() }]);
        },
        { concurrency: 1 },
      );
      await queue.wakeAt([{ id: 'a', at: clock.now() }]);
      await eventually(() => expect(entered).toBe(true));
      await first.close();
      expect(queue.counts().woken).toBe(1);
      const recorder = await started();
      await eventually(() => expect(recorder.tally()).toEqual({ a: 1 }), patiently);
    });

    it('closes within 2 s of a wake that hangs, and gives the ones behind it to another process at once', async () => {
      const stuck = await timers();
      const recorder = new Recorder(stuck.queue('deadlines-0'));
      const release = recorder.hold();
      await recorder.start(2);
      const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
      await recorder.queue.wakeAt(ids.map((id) => ({ id, at: clock.now() })));
      await eventually(() => expect(recorder.ids).toHaveLength(2));
      const closedFromMs = clock.monotonic();
      await stuck.close();
      expect(clock.monotonic() - closedFromMs).toBeLessThan(2_000);
      const other = await started();
      const behind = ids.filter((id) => !recorder.ids.includes(id));
      await eventually(() => expect(other.ids).toEqual(expect.arrayContaining(behind)), { withinMs: 4_000 });
      release();
    });

    it('refuses to arm when closed', async () => {
      const queue = (await timers()).queue('deadlines-0');
      await queue.close();
      await expect(queue.wakeAt([{ id: 'a', at: 1 }])).rejects.toThrow(/closed/);
    });
  });
}

async function* pagesOf(...pages: WakeEntry[][]): AsyncGenerator<WakeEntry[]> {
  for (const page of pages) yield await Promise.resolve(page);
}
