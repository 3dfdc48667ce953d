import fc from 'fast-check';
import { applyDefinition, applySignal, applyWatermark } from './deadline-rule';
import { initialState, wasPausedAt, type HeartbeatDefinition, type RuntimeState, type Signal } from './heartbeat';
import { contradictionIn, restoreState, type KnownHistory } from './runtime-check';
import { always, definition as testDefinition, T0 } from './test-heartbeat';

const definition = testDefinition({ scheduleChangedAt: T0 - 1 });
const up = applySignal(definition, initialState(definition), ping(T0), always).state;
const down = applyWatermark(definition, up, T0 + 200_000, always).state;

function ping(receivedAt: number, kind: Signal['kind'] = 'success'): Signal {
  return { id: `ping-${String(receivedAt).padStart(16, '0')}`, kind, receivedAt };
}

type Step = { readonly kind: 'success' | 'fail' | 'look' | 'pause' | 'resume'; readonly gapMs: number };
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom<Step['kind']>('success', 'success', 'fail', 'look', 'pause', 'resume'),
    gapMs: fc.integer({ min: 1, max: 200_000 }),
  }),
  { maxLength: 25 },
);

/** A heartbeat's life, with every state on the way and what the history would hold of it. */
function live(life: readonly Step[]) {
  let now = T0;
  let lived = definition;
  let state = initialState(definition);
  let history: KnownHistory = { lastSuccessAt: null, lastSignal: null, openIncident: null };
  const states: RuntimeState[] = [];
  for (const { kind, gapMs } of life) {
    now += gapMs;
    if (kind === 'success' || kind === 'fail') {
      const signal = ping(now, kind);
      state = applySignal(lived, state, signal, always).state;
      history = { ...history, lastSignal: { receivedAt: now, id: signal.id } };
      if (kind === 'success' && !wasPausedAt(lived, now)) history = { ...history, lastSuccessAt: now };
    } else if (kind === 'look') {
      state = applyWatermark(lived, state, now, always).state;
    } else {
      lived = turned(lived, kind, now);
      state = applyDefinition(lived, state).state;
    }
    history = { ...history, openIncident: state.incident };
    states.push(state);
  }
  return { definition: lived, state, states, history, now };
}

function turned(before: HeartbeatDefinition, kind: 'pause' | 'resume', at: number): HeartbeatDefinition {
  const last = before.pauseSpans.at(-1);
  const isPaused = last?.resumedAt === null;
  if (isPaused === (kind === 'pause')) return before;
  const pauseSpans = isPaused
    ? [...before.pauseSpans.slice(0, -1), { ...last, resumedAt: at }]
    : [...before.pauseSpans, { pausedAt: at, resumedAt: null }];
  return { ...before, version: before.version + 1, pauseSpans };
}

describe('a runtime state that contradicts itself', () => {
  it.each<[string, RuntimeState, string]>([
    ['up without anything expected', { ...up, nextExpectedAt: null }, 'up without a next expected instant'],
    ['up without a success', { ...up, baselineAt: null }, 'up without a last success'],
    ['late without a success', { ...up, status: 'late', baselineAt: null }, 'late without a last success'],
    ['down without an incident', { ...down, incident: null }, 'down without an incident'],
    ['up with an incident', { ...up, incident: down.incident }, 'up with an incident'],
    ['new with a success', { ...up, status: 'new' }, 'new although there was a success'],
    ['fewer misses than none', { ...up, misses: -1 }, 'a count that cannot be'],
    ['more misses than seconds', { ...up, misses: 2_147_483_647 }, 'a count that cannot be'],
  ])('is found: %s', (_name, state, contradiction) => {
    expect(contradictionIn(state)).toBe(contradiction);
  });

  it('is never what the rule leaves, whatever happened', () => {
    fc.assert(
      fc.property(steps, (life) => {
        expect(live(life).states.map(contradictionIn)).toEqual(life.map(() => null));
      }),
    );
  });

  it('is put together again from the history, and judged as if nothing had been wrong', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom<RuntimeState['status']>('new', 'up', 'late', 'down'), (life, status) => {
        const { definition: lived, state, history, now } = live(life);
        const broken: RuntimeState = { ...initialState(lived), status };
        const restored = restoreState(lived, broken, history);
        const later = (from: RuntimeState): RuntimeState => applyWatermark(lived, from, now + 1_000_000, always).state;
        const [wanted, found] = [later(state), later(restored)];
        expect({ status: found.status, incident: found.incident }).toEqual({
          status: wanted.status,
          incident: wanted.incident,
        });
      }),
    );
  });
});
