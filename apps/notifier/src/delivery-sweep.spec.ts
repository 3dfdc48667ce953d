import { silentLogger } from '@flatline/service-kernel';
import { FakeClock } from '@flatline/test-kit';
import type { WakeEntry } from '@flatline/timers';
import type { DueNotification } from './delivery-store';
import { DeliverySweep } from './delivery-sweep';

const due = (id: string, dueAt: number): DueNotification => ({ id, channelId: 'c', channelKind: 'webhook', dueAt });

/** A sweep over rows in memory. */
function stage() {
  const clock = new FakeClock();
  const rows: DueNotification[] = [];
  const offered: string[] = [];
  const armed: WakeEntry[] = [];
  const away = { database: false, timers: false };
  const asked: string[] = [];
  const sweep = new DeliverySweep({
    clock,
    logger: silentLogger(),
    claimant: { proveAlive: () => Promise.resolve(void asked.push('alive')) },
    store: {
      freeClaimsOfTheDead: () => Promise.resolve(asked.push('free') * 0),
      due: (until, after, limit) => {
        if (away.database) return Promise.reject(new Error('away'));
        const open = rows.filter(({ dueAt }) => dueAt <= until).sort((a, b) => a.dueAt - b.dueAt);
        const from = after === null ? 0 : open.findIndex(({ id }) => id === after.id) + 1;
        return Promise.resolve(open.slice(from, from + limit));
      },
      backlog: () => Promise.resolve({ count: rows.length, oldestAt: rows[0]?.dueAt ?? null }),
    },
    queue: {
      wakeAt: (entries) =>
        away.timers ? Promise.reject(new Error('away')) : Promise.resolve(void armed.push(...entries)),
    },
    offer: (deliveries) => void offered.push(...deliveries.map(({ id }) => id)),
  });
  return { clock, rows, offered, armed, away, asked, sweep };
}

describe('the delivery sweep', () => {
  it('offers what is due and arms what falls due before the next sweep', async () => {
    const { clock, rows, offered, armed, sweep } = stage();
    const now = clock.now();
    rows.push(due('late', now - 1), due('now', now), due('soon', now + 1), due('in time', now + 30_001));
    await sweep.sweep();
    expect(offered).toEqual(['late', 'now']);
    expect(armed).toEqual([{ id: 'soon', at: now + 1 }]);
  });

  it('goes on page by page without a cap', async () => {
    const { clock, rows, offered, sweep } = stage();
    for (let n = 0; n < 3_500; n += 1) rows.push(due(`n${n}`, clock.now() - n));
    await sweep.sweep();
    expect(new Set(offered).size).toBe(3_500);
  });

  it('shows that it lives before it frees the claims of the dead', async () => {
    const { asked, sweep } = stage();
    await sweep.sweep();
    expect(asked).toEqual(['alive', 'free']);
  });

  it('needs no timers', async () => {
    const { clock, rows, offered, away, sweep } = stage();
    away.timers = true;
    rows.push(due('late', clock.now()), due('soon', clock.now() + 1_000));
    await sweep.sweep();
    expect(offered).toEqual(['late']);
    expect(sweep.missing()).toBeNull();
  });

  it('comes again every 30 s', async () => {
    jest.useFakeTimers();
    try {
      const { clock, rows, offered, sweep } = stage();
      await sweep.start();
      rows.push(due('forgotten', clock.now()));
      await jest.advanceTimersByTimeAsync(29_999);
      expect(offered).toEqual([]);
      await jest.advanceTimersByTimeAsync(1);
      expect(offered).toEqual(['forgotten']);
      await sweep.stop();
    } finally {
      jest.useRealTimers();
    }
  });

  it('says that it is missing when it has not succeeded for a while, and goes on trying', async () => {
    const { clock, away, sweep } = stage();
    away.database = true;
    clock.advance(91_000);
    await sweep.sweep();
    expect(sweep.missing()).toBe('no delivery sweep has succeeded for 91 s');
    away.database = false;
    await sweep.sweep();
    expect(sweep.missing()).toBeNull();
  });

  it('tells how much waits and since when', async () => {
    const { clock, rows, sweep } = stage();
    rows.push(due('a', clock.now() - 5_000), due('b', clock.now()));
    await sweep.sweep();
    expect(sweep.backlog).toEqual({ count: 2, oldestSeconds: 5 });
  });
});
