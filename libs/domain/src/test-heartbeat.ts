import type { RuleContext } from './absences';
import { applySignal, type Fact } from './deadline-rule';
import { initialState, type HeartbeatDefinition, type RuntimeState, type Signal } from './heartbeat';

/** What the tests of the deadline rule begin with. */
export const T0 = 1_760_000_000_000;
export const SECOND = 1_000;
export const LEASE_MS = 10 * SECOND;
/** We have been there ever since. */
export const always: RuleContext = { absences: [], rules: { leaseMs: LEASE_MS } };

/** Every minute, ten seconds of grace, down at the second miss. */
export function definition(overrides: Partial<HeartbeatDefinition> = {}): HeartbeatDefinition {
  return {
    heartbeatId: '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a',
    projectId: '0192d3f0-7a10-7c3e-9b1a-000000000001',
    version: 1,
    name: 'nightly backup',
    schedule: { kind: 'interval', intervalSecs: 60 },
    graceSecs: 10,
    alertAfterMisses: 2,
    scheduleChangedAt: T0 - 1_000_000,
    pauseSpans: [],
    tokenGeneration: 0,
    ...overrides,
  };
}

let count = 0;
/** Later ones have later ids. */
export function ping(secondsAfterT0: number, kind: Signal['kind'] = 'success'): Signal {
  count += 1;
  return { id: `ping-${String(count).padStart(6, '0')}`, kind, receivedAt: at(secondsAfterT0) };
}

export function at(secondsAfterT0: number): number {
  return T0 + secondsAfterT0 * SECOND;
}

export function kinds(facts: readonly Fact[]): string[] {
  return facts.map((fact) => fact.kind);
}

/** Up since T0. */
export function up(def = definition()): RuntimeState {
  return applySignal(def, initialState(def), ping(0), always).state;
}
