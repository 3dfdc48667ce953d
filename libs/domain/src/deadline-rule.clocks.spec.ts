import type { RuleContext } from './absences';
import { applySignal, applyWatermark } from './deadline-rule';
import { initialState, type HeartbeatDefinition, type RuntimeState, type Signal } from './heartbeat';

const T0 = 1_760_000_000_000;
const SECOND = 1_000;
const always: RuleContext = { absences: [], rules: { leaseMs: 10 * SECOND } };

/** Every minute, ten seconds of grace, down at the first miss: the deadline after T0 is T0 + 70 s. */
const minutely: HeartbeatDefinition = {
  heartbeatId: '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a',
  projectId: '0192d3f0-7a10-7c3e-9b1a-000000000001',
  version: 1,
  name: 'nightly backup',
  schedule: { kind: 'interval', intervalSecs: 60 },
  graceSecs: 10,
  alertAfterMisses: 1,
  scheduleChangedAt: T0 - 1_000_000,
  pauseSpans: [],
  tokenGeneration: 0,
};

const at = (seconds: number): number => T0 + seconds * SECOND;

function ping(receivedAt: number, arrivedAfter?: number): Signal {
  return { id: `ping-${receivedAt}`, kind: 'success', receivedAt, ...(arrivedAfter !== undefined && { arrivedAfter }) };
}

/** Up since T0. */
function up(): RuntimeState {
  return applySignal(minutely, initialState(minutely), ping(at(0)), always).state;
}

describe('(l) a ping that the ingest read late, because it stood still', () => {
  it('is on time when it can have come at the deadline, although it was read after it', () => {
    // Guarded by step (l) of `applySignal`, which judges up to `arrivedAfter`.
    const { state, facts } = applySignal(minutely, up(), ping(at(72), at(70)), always);
    expect(facts).toEqual([]);
    expect(state).toMatchObject({ status: 'up', baselineAt: at(72), nextExpectedAt: at(132), misses: 0 });
  });

  it('is late when it cannot have come before the deadline was over', () => {
    const { facts } = applySignal(minutely, up(), ping(at(72), at(70) + 1), always);
    expect(facts.map(({ kind }) => kind)).toEqual(['missed', 'wentDown', 'recovered']);
  });

  it('(o) ends an incident as raised in error when it can have come before the incident began', () => {
    // Guarded by the comparison with `arrivedAt` in (o) of `applySignal`.
    const down = applyWatermark(minutely, up(), at(71), always).state;
    expect(applySignal(minutely, down, ping(at(72), at(70)), always).facts).toMatchObject([
      { kind: 'recovered', raisedInError: true },
    ]);
    expect(applySignal(minutely, down, ping(at(72)), always).facts).toMatchObject([
      { kind: 'recovered', raisedInError: false },
    ]);
  });
});
