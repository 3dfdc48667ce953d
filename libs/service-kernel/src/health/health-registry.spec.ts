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

  it('refuses two components of one name', () => {
    const health = new HealthRegistry();
    health.register('database', () => null);
    expect(() => health.register('database', () => null)).toThrow(/already/);
  });
});
