import type { Finding, OperatorEvent, StandingCondition } from '@flatline/service-kernel';
import { FakeClock } from '@flatline/test-kit';
import { AlertBook, type AlertNotice } from './alert-book';

/**
 * When an operator is told, and when not. Guarded by `see` (what stands and what is explained by something else) and
 * `judge` (its time, the hour, the end) in libs/infrastructure/src/operator/alert-book.ts.
 */
describe('what an operator is told', () => {
  const START = '2026-01-01T00:00:00.000Z';
  let clock: FakeClock;
  let book: AlertBook;
  let told: AlertNotice[];
  beforeEach(() => {
    clock = new FakeClock(START);
    book = new AlertBook();
    told = [];
  });

  type Held = StandingCondition | Finding<StandingCondition>;
  const finding = (held: Held): Finding<StandingCondition> =>
    typeof held === 'string' ? { condition: held, sentence: `${held}!` } : held;
  const at = () => ({ now: clock.now(), monotonic: clock.monotonic() });

  /** These conditions hold for so long, looked at every 5 s. */
  function hold(seconds: number, ...held: Held[]): void {
    for (let passed = 0; passed < seconds; passed += 5) {
      told.push(...book.note(held.map(finding), [], at()));
      clock.advance(5_000);
    }
  }
  function happen(condition: OperatorEvent, sentence: string): void {
    told.push(...book.note([], [{ condition, sentence }], at()));
  }
  const said = (): string[] => told.map(({ status, condition }) => `${status} ${condition}`);

  it('is a condition that stands for its time, once', () => {
    hold(60, 'database_away');
    expect(said()).toEqual([]);
    hold(600, 'database_away');
    expect(said()).toEqual(['raised database_away']);
    expect(told[0]).toMatchObject({ sentence: 'database_away!', sinceAt: Date.parse(START), endedAt: null });
    expect(book.open).toEqual(['database_away']);
  });

  it('is nothing of what passes before', () => {
    hold(55, 'database_away');
    hold(20);
    hold(55, 'database_away');
    hold(600);
    expect(said()).toEqual([]);
    expect(book.open).toEqual([]);
  });

  it('is one alert when a condition comes and goes, and one end', () => {
    for (let round = 0; round < 20; round++) {
      hold(10, 'timers_away');
      hold(10);
    }
    expect(said()).toEqual(['raised timers_away']);
    hold(600);
    expect(said()).toEqual(['raised timers_away', 'over timers_away']);
  });

  it('is told again every hour while it stands', () => {
    hold(2.5 * 3_600, 'outbox_stuck');
    expect(said()).toEqual(['raised outbox_stuck', 'still outbox_stuck', 'still outbox_stuck']);
    expect(new Set(told.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
  });

  it('is the end, dated when the condition was seen last', () => {
    hold(120, 'outbox_stuck');
    hold(300);
    expect(said()).toEqual(['raised outbox_stuck', 'over outbox_stuck']);
    expect(told[1]).toMatchObject({ sinceAt: Date.parse(START), endedAt: Date.parse(START) + 115_000 });
    hold(120, 'outbox_stuck');
    expect(said()).toEqual(['raised outbox_stuck', 'over outbox_stuck', 'raised outbox_stuck']);
  });

  it('does not name beside its cause what only follows from it, and names it when it outlives the cause', () => {
    hold(120, 'database_away', 'consumer_stopped', 'timers_away', 'deliveries_overdue');
    expect(said()).toEqual(['raised database_away']);
    hold(65, 'consumer_stopped');
    expect(said()).toEqual(['raised database_away', 'raised consumer_stopped', 'over database_away']);
  });

  it('does not call over what goes on behind its cause', () => {
    hold(30, 'consumer_stopped');
    hold(300, 'consumer_stopped', 'database_away');
    expect(said()).toEqual(['raised consumer_stopped', 'raised database_away']);
  });

  it('carries the same key whoever tells it, by the minute in which it began', () => {
    const sinceAt = Date.parse('2025-12-31T23:00:30.000Z');
    const stalled = { condition: 'watermark_stalled', sentence: 'shard 3', sinceAt } as const;
    hold(60, stalled);
    const restarted = new AlertBook();
    clock.advance(7_000);
    for (let look = 0; look < 13; look++) {
      told.push(...restarted.note([{ ...stalled, sinceAt: sinceAt + 20_000 }], [], at()));
      clock.advance(5_000);
    }
    expect(said()).toEqual(['raised watermark_stalled', 'raised watermark_stalled']);
    expect(told[0]?.idempotencyKey).toBe(told[1]?.idempotencyKey);
    expect(told[0]?.idempotencyKey).toMatch(/^[\w-]{1,64}$/);
  });

  it('is an event at once, those that follow together an hour later, and no end', () => {
    happen('timers_lost', 'shard 0');
    happen('timers_lost', 'shard 1');
    for (let n = 2; n < 1_000; n++) happen('timers_lost', `shard ${n}`);
    expect(said()).toEqual(['happened timers_lost']);
    hold(3_610);
    expect(told.map(({ sentence }) => sentence)).toEqual(['shard 0', 'shard 1; shard 999']);
    hold(7_300);
    expect(told).toHaveLength(2);
    expect(book.open).toEqual([]);
  });

  it('says of a condition in several places all of them, and no endless list', () => {
    const shards = Array.from({ length: 500 }, (_, shard) => ({
      condition: 'consumer_stopped' as const,
      sentence: `shard ${shard} fails`,
    }));
    hold(30, ...shards);
    expect(told[0]?.sentence).toMatch(/^shard 0 fails; shard 1 fails; .*…$/);
    expect(told[0]?.sentence.length).toBeLessThanOrEqual(600);
  });
});
