import { applySignal, applyWatermark } from './deadline-rule';
import { type Signal } from './heartbeat';
import { always, at, definition, up } from './test-heartbeat';

/** The deadline after T0 is T0 + 70 s. */
const minutely = definition({ alertAfterMisses: 1 });

function ping(receivedAt: number, arrivedAfter?: number): Signal {
  return { id: `ping-${receivedAt}`, kind: 'success', receivedAt, ...(arrivedAfter !== undefined && { arrivedAfter }) };
}

describe('(l) a ping that the ingest read late, because it stood still', () => {
  it('is on time when it can have come at the deadline, although it was read after it', () => {
    // Guarded by step (l) of `applySignal`, which judges up to `arrivedAfter`.
    const { state, facts } = applySignal(minutely, up(minutely), ping(at(72), at(70)), always);
    expect(facts).toEqual([]);
    expect(state).toMatchObject({ status: 'up', baselineAt: at(72), nextExpectedAt: at(132), misses: 0 });
  });

  it('is late when it cannot have come before the deadline was over', () => {
    const { facts } = applySignal(minutely, up(minutely), ping(at(72), at(70) + 1), always);
    expect(facts.map(({ kind }) => kind)).toEqual(['missed', 'wentDown', 'recovered']);
  });

  it('(o) ends an incident as raised in error when it can have come before the incident began', () => {
    // Guarded by the comparison with `arrivedAt` in (o) of `applySignal`.
    const down = applyWatermark(minutely, up(minutely), at(71), always).state;
    expect(applySignal(minutely, down, ping(at(72), at(70)), always).facts).toMatchObject([
      { kind: 'recovered', raisedInError: true },
    ]);
    expect(applySignal(minutely, down, ping(at(72)), always).facts).toMatchObject([
      { kind: 'recovered', raisedInError: false },
    ]);
  });
});
