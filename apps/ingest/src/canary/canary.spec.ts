import { type Logger, Metrics } from '@flatline/service-kernel';
import { eventually, FakeClock } from '@flatline/test-kit';
import type { CanaryAnswer } from './call-canary';
import { Canary } from './canary';

const LEASE_MS = 10_000;

describe('the calls of an ingest to itself', () => {
  let clock: FakeClock;
  let metrics: Metrics;
  let calls: number;
  let canary: Canary;

  /** Answers in this order; the last one from then on. */
  function start(...answers: CanaryAnswer[]): void {
    clock = new FakeClock();
    metrics = new Metrics();
    calls = 0;
    const call = (): Promise<CanaryAnswer> => {
      calls += 1;
      return Promise.resolve(answers.length > 1 ? answers.shift()! : answers[0]!);
    };
    const logger = { info: () => {}, warn: () => {} } as unknown as Logger;
    canary = new Canary({ call, leaseMs: LEASE_MS, clock, logger, metrics, everyMs: 0 });
    canary.start();
  }
  afterEach(() => canary.stop());

  it('are repeated at once when one fails, and one that fails alone is no outage', async () => {
    start('no_answer', 'answered');
    await eventually(() => expect(calls).toBeGreaterThanOrEqual(2));
    expect(canary.reach()).toEqual({ kind: 'proven', upTo: clock.now(), since: clock.now() });
    expect(await metrics.registry.metrics()).toContain('flatline_ingest_canary_failures_total{reason="no_answer"} 1');
    expect(canary.findings()).toEqual([]);
  });

  it('tell the operator, and everybody who counts, when jobs cannot come', async () => {
    start('answered', 'wrong_answer');
    await eventually(() => expect(calls).toBeGreaterThan(3));
    clock.advance(LEASE_MS / 2 + 1);
    expect(canary.reach()).toEqual({ kind: 'lost' });
    expect(canary.findings()).toMatchObject([
      { condition: 'unreachable', sentence: expect.stringContaining('wrong_answer') },
    ]);
    expect(await metrics.registry.metrics()).toContain('flatline_ingest_reachable 0');
  });

  it('tell the operator when nobody was ever there, and keep no alarm back for it', async () => {
    start('no_answer');
    await eventually(() => expect(calls).toBeGreaterThan(2));
    clock.advance(LEASE_MS / 2 + 1);
    expect(canary.reach()).toEqual({ kind: 'unchecked' });
    expect(canary.findings()).toMatchObject([
      { condition: 'unreachable', sentence: expect.stringContaining('no use') },
    ]);
  });

  it('are not made where no address is given', () => {
    canary = new Canary({
      call: null,
      leaseMs: LEASE_MS,
      clock: new FakeClock(),
      logger: {} as Logger,
      metrics: new Metrics(),
    });
    canary.start();
    expect(canary.reach()).toEqual({ kind: 'unchecked' });
    expect(canary.findings()).toEqual([]);
  });
});
