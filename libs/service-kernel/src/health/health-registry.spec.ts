import { HealthRegistry } from './health-registry';

describe('readiness', () => {
  it('is given when nothing is missing', async () => {
    const health = new HealthRegistry();
    health.register('database', () => null);
    expect(await health.check()).toEqual([]);
  });

  it('names each component that is not ready, with its sentence', async () => {
    const health = new HealthRegistry(5);
    health.register('database', async () => 'is away');
    health.register('timers', () => {
      throw new Error('postgres://me:hunter2@db');
    });
    health.register('event log', () => new Promise(() => undefined));
    health.register('clock', () => null);
    expect(await health.check()).toEqual([
      { component: 'database', missing: 'is away' },
      { component: 'timers', missing: 'could not be checked' },
      { component: 'event log', missing: 'did not answer within 5 ms' },
    ]);
  });

  it('is told to an operator under the condition that a component stands for', async () => {
    const health = new HealthRegistry();
    health.register('event log', () => 'Kafka does not answer', 'event_log_away');
    health.register('moon', () => 'is full');
    health.register('database', () => null, 'database_away');
    health.watch(() => [{ condition: 'outbox_stuck', sentence: 'it is old', sinceAt: 7 }]);
    expect(await health.findings()).toEqual([
      { condition: 'event_log_away', sentence: 'event log: Kafka does not answer' },
      { condition: 'not_ready', sentence: 'moon: is full' },
      { condition: 'outbox_stuck', sentence: 'it is old', sinceAt: 7 },
    ]);
  });

  it('tells what happened once, and of many times the first few', () => {
    const health = new HealthRegistry();
    for (let shard = 0; shard < 100; shard++) health.happened('timers_lost', `shard ${shard}`);
    expect(health.takeEvents()).toEqual([
      { condition: 'timers_lost', sentence: 'shard 0; shard 1; shard 2; shard 3; shard 4' },
    ]);
    expect(health.takeEvents()).toEqual([]);
  });

  it('refuses two components of one name', () => {
    const health = new HealthRegistry();
    health.register('database', () => null);
    expect(() => health.register('database', () => null)).toThrow(/already/);
  });
});
