import { FakeClock } from '@flatline/test-kit';
import { DatabaseClock } from './database-clock';

describe('the clock of the database', () => {
  /** A database whose clock is an hour ahead of ours, and takes its time to answer. */
  function stage() {
    const clock = new FakeClock();
    const database = { aheadMs: 3_600_000, answersAfterMs: 0 };
    const ask = async (): Promise<number> => {
      clock.advance(database.answersAfterMs / 2);
      const now = clock.now() + database.aheadMs;
      clock.advance(database.answersAfterMs / 2);
      return now;
    };
    return { clock, database, shared: new DatabaseClock({ ask, clock, onError: () => undefined }) };
  }

  it('is that of the process until the database has answered', () => {
    const { clock, shared } = stage();
    expect(shared.now()).toBe(clock.now());
  });

  it('follows the database and not the wall clock of the process, however that is set', async () => {
    const { clock, shared } = stage();
    await shared.look();
    const before = shared.now();
    expect(before).toBe(clock.now() + 3_600_000);
    clock.step(86_400_000);
    clock.advance(1_500);
    expect(shared.now()).toBe(before + 1_500);
  });

  it('takes the middle of a look for the instant of the answer', async () => {
    const { clock, database, shared } = stage();
    database.answersAfterMs = 200;
    await shared.look();
    expect(shared.now()).toBe(clock.now() + 3_600_000);
  });

  it('keeps what it knows when a look takes too long', async () => {
    const { clock, database, shared } = stage();
    await shared.look();
    Object.assign(database, { aheadMs: 0, answersAfterMs: 5_000 });
    await shared.look();
    expect(shared.now()).toBe(clock.now() + 3_600_000);
  });
});
