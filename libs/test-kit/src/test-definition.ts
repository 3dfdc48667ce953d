import type { HeartbeatDefinition } from '@flatline/domain';

/**
 * A heartbeat as its user defined it: every minute, ten seconds of grace, down at the second miss. The tests of the domain
 * have one of their own, because the domain knows nobody.
 */
export function testDefinition(overrides: Partial<HeartbeatDefinition> = {}): HeartbeatDefinition {
  return {
    heartbeatId: '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a',
    projectId: '0192d3f0-7a10-7c3e-9b1a-000000000001',
    version: 1,
    name: 'nightly backup',
    schedule: { kind: 'interval', intervalSecs: 60 },
    graceSecs: 10,
    alertAfterMisses: 2,
    scheduleChangedAt: 0,
    pauseSpans: [],
    tokenGeneration: 0,
    ...overrides,
  };
}
