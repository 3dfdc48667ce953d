import type { RuntimeState, Signal } from './heartbeat';
import { initialState } from './heartbeat';
import { applyDefinition, applySignal, applyWatermark } from './deadline-rule';
import { always, at, definition, kinds, ping, up } from './test-heartbeat';

function down(def = definition()): RuntimeState {
  return applyWatermark(def, up(def), at(131), always).state;
}

describe('(a) the first success', () => {
  it('starts the first deadline; before it nothing is expected, however long the silence', () => {
    const def = definition();
    const silent = applyWatermark(def, initialState(def), at(1_000_000), always);
    expect(silent).toMatchObject({ state: { status: 'new', misses: 0, nextExpectedAt: null }, facts: [] });

    const { state, facts } = applySignal(def, silent.state, ping(1_000_000), always);
    expect(state).toMatchObject({ status: 'up', baselineAt: at(1_000_000), nextExpectedAt: at(1_000_060) });
    expect(facts).toEqual([]);
  });
});

describe('(b) a success while up', () => {
  it('moves the next expected instant to the ping plus the interval, not to a grid', () => {
    const { state, facts } = applySignal(definition(), up(), ping(37), always);
    expect(state.nextExpectedAt).toBe(at(97));
    expect(facts).toEqual([]);
  });

  it('is on time at the deadline exactly, and one millisecond later a miss comes first', () => {
    const def = definition();
    const onTime = applySignal(def, up(def), { ...ping(0), receivedAt: at(70) }, always);
    const tooLate = applySignal(def, up(def), { ...ping(0), receivedAt: at(70) + 1 }, always);
    expect(onTime.facts).toEqual([]);
    expect(tooLate.facts).toEqual([{ kind: 'missed', sinceAt: at(0), firstAt: at(70), lastAt: at(70), misses: 1 }]);
    expect(tooLate.state).toMatchObject({ status: 'up', misses: 0 });
  });
});

describe('(c) a miss that is not yet enough', () => {
  it('is recorded at E(1) + G and makes it late; the next ping is expected at L + 2·I', () => {
    const { state, facts } = applyWatermark(definition(), up(), at(70) + 1, always);
    expect(state).toMatchObject({ status: 'late', misses: 1, nextExpectedAt: at(120), incident: null });
    expect(facts).toEqual([{ kind: 'missed', sinceAt: at(0), firstAt: at(70), lastAt: at(70), misses: 1 }]);
  });

  it('is judged only when the watermark lies strictly behind the deadline', () => {
    expect(applyWatermark(definition(), up(), at(70), always).facts).toEqual([]);
  });
});

describe('(d) going down', () => {
  it('goes down at the deadline of the second miss, not when it was noticed', () => {
    const { state, facts } = applyWatermark(definition(), up(), at(100_000), always);
    const incident = { startedAt: at(130), reason: 'missed', misses: 2 };
    expect(facts).toEqual([
      { kind: 'missed', sinceAt: at(0), firstAt: at(70), lastAt: at(130), misses: 2 },
      { kind: 'wentDown', at: at(130), incident },
    ]);
    expect(state).toMatchObject({ status: 'down', misses: 2, nextExpectedAt: at(180), incident });
  });

  it.each([
    [1, 70],
    [2, 130],
    [3, 190],
    [100, 6_010],
  ])('with alertAfterMisses %i goes down %i s after the last ping', (alertAfterMisses, seconds) => {
    const def = definition({ alertAfterMisses });
    expect(applyWatermark(def, up(def), at(seconds), always).state.status).not.toBe('down');
    const { facts } = applyWatermark(def, up(def), at(seconds) + 1, always);
    expect(facts.at(-1)).toMatchObject({ kind: 'wentDown', at: at(seconds) });
  });

  it('counts nothing after down', () => {
    const { state, facts } = applyWatermark(definition(), down(), at(1_000_000), always);
    expect(facts).toEqual([]);
    expect(state.misses).toBe(2);
  });

  it('goes down at once on a fail signal, and a second fail says nothing new', () => {
    const first = applySignal(definition(), up(), ping(5, 'fail'), always);
    expect(first.facts).toEqual([
      { kind: 'wentDown', at: at(5), incident: { startedAt: at(5), reason: 'failed', misses: 0 } },
    ]);
    const second = applySignal(definition(), first.state, ping(6, 'fail'), always);
    expect(second.facts).toEqual([]);
    expect(second.state.incident).toEqual(first.state.incident);
  });

  it('goes down on a fail signal that is the first thing ever heard', () => {
    const def = definition();
    expect(kinds(applySignal(def, initialState(def), ping(0, 'fail'), always).facts)).toEqual(['wentDown']);
  });
});

describe('(e) a success while late', () => {
  it('resets the misses and tells nobody', () => {
    const late = applyWatermark(definition(), up(), at(71), always).state;
    const { state, facts } = applySignal(definition(), late, ping(80), always);
    expect(facts).toEqual([]);
    expect(state).toMatchObject({ status: 'up', misses: 0, nextExpectedAt: at(140) });
  });
});

describe('(f) a success while down', () => {
  it('recovers at the instant of the ping', () => {
    const { state, facts } = applySignal(definition(), down(), ping(500), always);
    expect(facts).toEqual([
      {
        kind: 'recovered',
        at: at(500),
        incident: { startedAt: at(130), reason: 'missed', misses: 2 },
        raisedInError: false,
      },
    ]);
    expect(state).toMatchObject({ status: 'up', misses: 0, incident: null, nextExpectedAt: at(560) });
  });

  it('recovers from a failure without calling the incident an error', () => {
    const failed = applySignal(definition(), up(), ping(5, 'fail'), always).state;
    expect(applySignal(definition(), failed, ping(5), always).facts).toMatchObject([
      { kind: 'recovered', raisedInError: false },
    ]);
  });
});

describe('(g) pausing', () => {
  const paused = definition({ version: 2, pauseSpans: [{ pausedAt: at(10), resumedAt: null }] });

  it('expects nothing while paused', () => {
    const { state } = applyDefinition(paused, up());
    expect(state).toMatchObject({ status: 'paused', misses: 0, nextExpectedAt: null });
    expect(applyWatermark(paused, state, at(1_000_000), always).facts).toEqual([]);
  });

  it('closes an open incident without a recovery', () => {
    const later = definition({ version: 2, pauseSpans: [{ pausedAt: at(200), resumedAt: null }] });
    expect(applyDefinition(later, down()).facts).toEqual([
      { kind: 'incidentClosed', at: at(200), incident: { startedAt: at(130), reason: 'missed', misses: 2 } },
    ]);
  });

  it('holds although the judge meets the new definition only at the deadline', () => {
    expect(applyWatermark(paused, up(), at(1_000), always).facts).toEqual([]);
  });
});

describe('(h) resuming', () => {
  const resumed = definition({ version: 3, pauseSpans: [{ pausedAt: at(10), resumedAt: at(1_000) }] });

  it('starts the next period at the resume time and tells nobody', () => {
    const paused = applyDefinition(
      definition({ version: 2, pauseSpans: [{ pausedAt: at(10), resumedAt: null }] }),
      up(),
    );
    const { state, facts } = applyDefinition(resumed, paused.state);
    expect(facts).toEqual([]);
    expect(state).toMatchObject({ status: 'up', baselineAt: at(1_000), nextExpectedAt: at(1_060), misses: 0 });
  });

  it('counts although the pause was never seen', () => {
    expect(applyDefinition(resumed, up()).state).toMatchObject({ status: 'up', nextExpectedAt: at(1_060) });
  });

  it('leaves a heartbeat that was never pinged waiting for its first ping', () => {
    const { state } = applyDefinition(resumed, initialState(resumed));
    expect(state).toMatchObject({ status: 'new', nextExpectedAt: null });
    expect(applySignal(resumed, state, ping(1_001), always).state).toMatchObject({ nextExpectedAt: at(1_061) });
  });

  it('does not take a later ping back when the definition changes again', () => {
    const pinged = applySignal(resumed, up(), ping(1_030), always).state;
    const renamed = { ...resumed, version: 4, name: 'weekly backup' };
    expect(applyDefinition(renamed, pinged).state.nextExpectedAt).toBe(at(1_090));
  });
});

describe('(i) signals out of order', () => {
  it('changes nothing for a signal at or before the newest applied', () => {
    const second = ping(30);
    const state = applySignal(definition(), up(), second, always).state;
    expect(applySignal(definition(), state, second, always)).toEqual({ state, facts: [], waits: false });
    expect(applySignal(definition(), state, ping(20, 'fail'), always)).toEqual({ state, facts: [], waits: false });
  });

  it('orders two signals of the same millisecond by id', () => {
    const [early, late] = [ping(30), ping(30, 'fail')];
    const both = applySignal(definition(), applySignal(definition(), up(), early, always).state, late, always);
    expect(both.state.status).toBe('down');
    const swapped = applySignal(definition(), applySignal(definition(), up(), late, always).state, early, always);
    expect(swapped.state.status).toBe('down');
  });
});

describe('(j) a ping during a pause', () => {
  it('is remembered as the last ping and changes nothing else, even when it is read after the resume', () => {
    const resumed = definition({ version: 3, pauseSpans: [{ pausedAt: at(10), resumedAt: at(1_000) }] });
    const { state, facts } = applySignal(resumed, up(), ping(500, 'fail'), always);
    expect(facts).toEqual([]);
    expect(state).toMatchObject({ status: 'up', lastPingAt: at(500), baselineAt: at(1_000) });
  });
});

describe('(p) a first success from before a pause', () => {
  const paused = definition({ version: 2, pauseSpans: [{ pausedAt: at(10), resumedAt: null }] });
  const resumed = definition({ version: 3, pauseSpans: [{ pausedAt: at(10), resumedAt: at(1_000) }] });
  const expected = { status: 'up', lastPingAt: at(5), baselineAt: at(1_000), nextExpectedAt: at(1_060), misses: 0 };

  it('that comes by during the pause is the first ping: silence after the resume is missed', () => {
    const during = applySignal(paused, initialState(paused), ping(5), always);
    expect(during).toMatchObject({ state: { status: 'paused', nextExpectedAt: null }, facts: [] });
    const { state } = applyDefinition(resumed, during.state);
    expect(state).toMatchObject(expected);
    expect(applyWatermark(resumed, state, at(1_131), always).facts.at(-1)).toMatchObject({ kind: 'wentDown' });
  });

  it('that comes by after the resume is the first ping, and nothing was expected during the pause', () => {
    const { state, facts } = applySignal(resumed, initialState(resumed), ping(5), always);
    expect(facts).toEqual([]);
    expect(state).toMatchObject(expected);
    expect(applyWatermark(resumed, state, at(1_070), always).facts).toEqual([]);
  });

  it('does not become one by coming by during the pause when it was sent in it', () => {
    const during = applySignal(paused, initialState(paused), ping(20), always);
    expect(applyDefinition(resumed, during.state).state).toMatchObject({ status: 'new', nextExpectedAt: null });
  });
});

describe('(r) a signal ahead of the watermark', () => {
  it('waits while a deadline lies between, and judges no more than the watermark does', () => {
    const before = up();
    const late = ping(131);
    expect(applySignal(definition(), before, late, always, at(70))).toEqual({ state: before, facts: [], waits: true });
    const missedOne = applyWatermark(definition(), before, at(130), always);
    expect(applySignal(definition(), before, late, always, at(130))).toEqual({ ...missedOne, waits: true });
    const passed = applySignal(definition(), before, late, always, at(130) + 1);
    expect(passed).toEqual(applySignal(definition(), before, late, always));
    expect([passed.waits, kinds(passed.facts)]).toEqual([false, ['missed', 'wentDown', 'recovered']]);
  });

  it('is overtaken by one that is on time', () => {
    const waits = applySignal(definition(), up(), ping(71), always, at(60));
    const { state } = applySignal(definition(), waits.state, ping(70), always, at(60));
    const { waits: stillWaits, facts } = applySignal(definition(), state, ping(71), always, at(60));
    expect([waits.waits, stillWaits, facts]).toEqual([true, false, []]);
  });

  it('does not wait when it is on time, when none is expected, and when it ends an incident', () => {
    const waitsFor = (state: RuntimeState, signal: Signal) =>
      applySignal(definition(), state, signal, always, at(10)).waits;
    expect(waitsFor(up(), ping(70))).toBe(false);
    expect(waitsFor(initialState(definition()), ping(1_000))).toBe(false);
    expect(waitsFor(down(), ping(2_000))).toBe(false);
  });
});

describe('(k) a change of definition', () => {
  it('never counts as a ping and takes nothing back: a longer interval is measured from the same L', () => {
    const longer = definition({
      version: 2,
      schedule: { kind: 'interval', intervalSecs: 300 },
      scheduleChangedAt: at(20),
    });
    expect(applyDefinition(longer, up()).state).toMatchObject({ baselineAt: at(0), nextExpectedAt: at(300) });
  });

  it('never makes a miss of an instant before it: a shorter interval starts from the change', () => {
    const shorter = definition({
      version: 2,
      schedule: { kind: 'interval', intervalSecs: 2 },
      scheduleChangedAt: at(45),
    });
    const { state } = applyDefinition(shorter, up());
    expect(state).toMatchObject({ nextExpectedAt: at(46), misses: 0 });
    expect(applyWatermark(shorter, state, at(1_000), always).facts.at(-1)).toMatchObject({ at: at(58) });
  });

  it('keeps what was missed when only the name changed', () => {
    const late = applyWatermark(definition(), up(), at(71), always).state;
    const { state } = applyDefinition(definition({ version: 2, name: 'other' }), late);
    expect(state).toMatchObject({ status: 'late', misses: 1, nextExpectedAt: at(120) });
  });

  it('ignores an older version', () => {
    const state = applyDefinition(definition({ version: 5 }), up()).state;
    expect(applyDefinition(definition({ version: 4, name: 'old' }), state)).toEqual({ state, facts: [] });
  });
});

describe('(l) a signal after its deadline', () => {
  it('first yields the misses in between, then the recovery: no hole in history', () => {
    const { facts } = applySignal(definition(), up(), ping(500), always);
    expect(kinds(facts)).toEqual(['missed', 'wentDown', 'recovered']);
    expect(facts[1]).toMatchObject({ at: at(130) });
    expect(facts[2]).toMatchObject({ at: at(500), raisedInError: false });
  });
});

describe('(o) a success read too late', () => {
  it('ends the incident and marks it raised in error', () => {
    const { state, facts } = applySignal(definition(), down(), ping(129), always);
    expect(facts).toMatchObject([{ kind: 'recovered', raisedInError: true, at: at(130) }]);
    expect(state).toMatchObject({ status: 'up', baselineAt: at(129) });
  });
});
