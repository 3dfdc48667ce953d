import fc from 'fast-check';
import { applySignal, applyWatermark, type Fact, type RuleContext } from './deadline-rule';
import { initialState, type HeartbeatDefinition, type RuntimeState, type Signal } from './heartbeat';

const T0 = 1_760_000_000_000;
const always: RuleContext = { absences: [], rules: { leaseMs: 10_000 } };

const definitions = fc
  .record({
    intervalSecs: fc.integer({ min: 1, max: 600 }),
    graceSecs: fc.integer({ min: 0, max: 900 }),
    alertAfterMisses: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ intervalSecs, graceSecs, alertAfterMisses }): HeartbeatDefinition => ({
    heartbeatId: '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a',
    projectId: '0192d3f0-7a10-7c3e-9b1a-000000000001',
    version: 1,
    name: 'any',
    schedule: { kind: 'interval', intervalSecs },
    graceSecs,
    alertAfterMisses,
    scheduleChangedAt: T0 - 1,
    pauseSpans: [],
    tokenGeneration: 0,
  }));

const signals = fc
  .array(fc.record({ gapMs: fc.integer({ min: 0, max: 2_000_000 }), fails: fc.boolean() }), {
    minLength: 1,
    maxLength: 20,
  })
  .map((steps) => {
    let at = T0;
    return steps.map(({ gapMs, fails }, index): Signal => {
      at += gapMs;
      return {
        id: `ping-${String(index).padStart(4, '0')}`,
        kind: fails && index % 3 === 2 ? 'fail' : 'success',
        receivedAt: at,
      };
    });
  });

function run(
  definition: HeartbeatDefinition,
  pings: readonly Signal[],
  watermarksBefore: (index: number, ping: Signal) => readonly number[],
): { state: RuntimeState; facts: Fact[] } {
  let state = initialState(definition);
  const facts: Fact[] = [];
  pings.forEach((ping, index) => {
    for (const watermark of watermarksBefore(index, ping)) {
      const judged = applyWatermark(definition, state, watermark, always);
      state = judged.state;
      facts.push(...judged.facts);
    }
    const applied = applySignal(definition, state, ping, always);
    state = applied.state;
    facts.push(...applied.facts);
  });
  return { state, facts };
}

/** Misses are told in runs that depend on when they were noticed; everything else does not. */
const story = (facts: readonly Fact[]): Fact[] => facts.filter((fact) => fact.kind !== 'missed');
const missCount = (facts: readonly Fact[]): number =>
  facts.reduce((sum, fact) => sum + (fact.kind === 'missed' ? fact.count : 0), 0);

describe('the deadline rule, for any heartbeat and any pings', () => {
  it('tells the same story whenever the watermark was looked at on the way', () => {
    fc.assert(
      fc.property(definitions, signals, fc.array(fc.nat(2_000_000), { maxLength: 6 }), (definition, pings, offsets) => {
        const unwatched = run(definition, pings, () => []);
        const watched = run(definition, pings, (index, ping) => {
          const from = index === 0 ? T0 : pings[index - 1]!.receivedAt;
          return offsets.map((offset) => Math.min(from + offset, ping.receivedAt)).sort((a, b) => a - b);
        });
        expect(watched.state).toEqual(unwatched.state);
        expect(story(watched.facts)).toEqual(story(unwatched.facts));
        expect(missCount(watched.facts)).toBe(missCount(unwatched.facts));
      }),
    );
  });

  it('changes nothing when every ping is read from the log twice', () => {
    fc.assert(
      fc.property(definitions, signals, (definition, pings) => {
        const once = run(definition, pings, () => []);
        const twice = run(
          definition,
          pings.flatMap((ping) => [ping, ping]),
          () => [],
        );
        expect(twice).toEqual(once);
      }),
    );
  });

  it('alternates down and recovered, in the order of time, starting with down', () => {
    fc.assert(
      fc.property(definitions, signals, (definition, pings) => {
        const turns = story(run(definition, pings, () => []).facts);
        turns.forEach((fact, index) => {
          expect(fact.kind).toBe(index % 2 === 0 ? 'wentDown' : 'recovered');
        });
        const instants = turns.map((fact) => ('at' in fact ? fact.at : 0));
        expect(instants).toEqual([...instants].sort((a, b) => a - b));
      }),
    );
  });

  it('goes down exactly at L + N·I + G when nothing more comes, and never before', () => {
    fc.assert(
      fc.property(definitions, fc.nat(10_000_000), (definition, silentMs) => {
        const interval = definition.schedule.kind === 'interval' ? definition.schedule.intervalSecs * 1000 : 0;
        const due = T0 + definition.alertAfterMisses * interval + definition.graceSecs * 1000;
        const first: Signal = { id: 'ping-0000', kind: 'success', receivedAt: T0 };
        const { state } = applySignal(definition, initialState(definition), first, always);
        const judged = applyWatermark(definition, state, T0 + silentMs, always);
        expect(judged.state.status === 'down').toBe(due < T0 + silentMs);
        if (judged.state.incident) expect(judged.state.incident.startedAt).toBe(due);
      }),
    );
  });

  it('never goes down while every ping comes within the interval', () => {
    fc.assert(
      fc.property(
        definitions,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }),
        (definition, parts) => {
          const interval = definition.schedule.kind === 'interval' ? definition.schedule.intervalSecs * 1000 : 0;
          let at = T0;
          const pings = parts.map((part, index): Signal => {
            at += Math.floor(part * interval);
            return { id: `ping-${String(index).padStart(4, '0')}`, kind: 'success', receivedAt: at };
          });
          expect(run(definition, pings, (_index, ping) => [ping.receivedAt]).facts).toEqual([]);
        },
      ),
    );
  });
});
