import fc from 'fast-check';
import type { RuleContext } from './absences';
import { applySignal, applyWatermark, type Fact } from './deadline-rule';
import { initialState, type Absence, type HeartbeatDefinition, type RuntimeState, type Signal } from './heartbeat';
import { always, definition, T0 } from './test-heartbeat';

const definitions = fc
  .record({
    intervalSecs: fc.integer({ min: 1, max: 600 }),
    graceSecs: fc.integer({ min: 0, max: 900 }),
    alertAfterMisses: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ intervalSecs, ...others }) =>
    definition({ ...others, schedule: { kind: 'interval', intervalSecs }, scheduleChangedAt: T0 - 1 }),
  );

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
  context: RuleContext = always,
): { state: RuntimeState; facts: Fact[] } {
  let state = initialState(definition);
  const facts: Fact[] = [];
  pings.forEach((ping, index) => {
    for (const watermark of watermarksBefore(index, ping)) {
      const judged = applyWatermark(definition, state, watermark, context);
      state = judged.state;
      facts.push(...judged.facts);
    }
    const applied = applySignal(definition, state, ping, context);
    state = applied.state;
    facts.push(...applied.facts);
  });
  return { state, facts };
}

/** Misses are told in runs that depend on when they were noticed; everything else does not. */
const story = (facts: readonly Fact[]): Fact[] => facts.filter((fact) => fact.kind !== 'missed');
/** The runs of misses, each put together from what was noticed of it bit by bit. */
function runsOfMisses(facts: readonly Fact[]): Map<number, readonly [firstAt: number, lastAt: number, misses: number]> {
  const runs = new Map<number, readonly [number, number, number]>();
  for (const fact of facts) {
    if (fact.kind !== 'missed') continue;
    const [firstAt] = runs.get(fact.sinceAt) ?? [fact.firstAt];
    runs.set(fact.sinceAt, [firstAt, fact.lastAt, fact.misses]);
  }
  return runs;
}

/** Stretches in which jobs can reach us, each followed by a time in which they cannot, in ms. */
const reachability = fc.array(
  fc.record({ reachableMs: fc.integer({ min: 1, max: 1_500_000 }), awayMs: fc.integer({ min: 1, max: 1_500_000 }) }),
  { minLength: 1, maxLength: 40 },
);

function absencesOf(spans: readonly { readonly reachableMs: number; readonly awayMs: number }[]): Absence[] {
  let at = T0;
  return spans.map(({ reachableMs, awayMs }) => {
    const startedAt = at + reachableMs;
    at = startedAt + awayMs;
    return { startedAt, endedAt: at };
  });
}

const firstPing: Signal = { id: 'ping-0000', kind: 'success', receivedAt: T0 };
const intervalMsOf = ({ schedule }: HeartbeatDefinition): number =>
  schedule.kind === 'interval' ? schedule.intervalSecs * 1000 : 0;

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
        expect(runsOfMisses(watched.facts)).toEqual(runsOfMisses(unwatched.facts));
      }),
    );
  });

  it('tells the same story whenever the watermark was looked at, whatever absences there were', () => {
    fc.assert(
      fc.property(definitions, signals, reachability, fc.nat(2_000_000), (definition, pings, spans, offset) => {
        const context = { ...always, absences: absencesOf(spans) };
        const unwatched = run(definition, pings, () => [], context);
        const look = (index: number, ping: Signal) => [
          Math.min((pings[index - 1]?.receivedAt ?? T0) + offset, ping.receivedAt),
        ];
        const watched = run(definition, pings, look, context);
        expect(watched.state).toEqual(unwatched.state);
        expect(story(watched.facts)).toEqual(story(unwatched.facts));
        expect(runsOfMisses(watched.facts)).toEqual(runsOfMisses(unwatched.facts));
      }),
    );
  });

  /** Guarded by `isUnverified` in libs/domain/src/unknown-periods.ts and the count of misses in `applyWatermark`. */
  it('finds a job that never pings again, as missed or unverified, however often we are away', () => {
    fc.assert(
      fc.property(definitions, reachability, (definition, spans) => {
        const absences = absencesOf(spans);
        const roundMs = intervalMsOf(definition) + definition.graceSecs * 1000;
        const { alertAfterMisses: misses } = definition;
        const patienceMs = (Math.max(2, misses) + misses + 4) * (roundMs + always.rules.leaseMs);
        // The instant at which so much time was observed, counting short absences as if we had not been there.
        let patienceEndsAt = T0 + patienceMs;
        for (const { startedAt, endedAt } of absences) {
          if (startedAt < patienceEndsAt) patienceEndsAt += endedAt - startedAt;
        }
        const { state } = applySignal(definition, initialState(definition), firstPing, always);
        const judged = applyWatermark(definition, state, patienceEndsAt, { ...always, absences });
        expect(judged.state.status).toBe('down');
        expect(['missed', 'unverified']).toContain(judged.state.incident?.reason);
      }),
    );
  });

  /** Guarded by (m) and (n) of the rule: `effectiveDeadline` and `blackoutWithin` in libs/domain/src/absences.ts. */
  it('never takes a job down that pings at least every interval while it can reach us', () => {
    const blackouts = reachability.map((spans) => spans.map((span) => ({ ...span, awayMs: span.awayMs + 10_000 })));
    const parts = fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true }));
    fc.assert(
      fc.property(definitions, blackouts, parts, (definition, spans, part) => {
        const absences = absencesOf(spans);
        const intervalMs = intervalMsOf(definition);
        const pings: Signal[] = [firstPing];
        let reachableFrom = T0;
        for (const { startedAt, endedAt } of absences) {
          // At least once in each stretch, and never silent for longer than the interval in it.
          let at = reachableFrom + Math.floor(part.next().value * Math.min(intervalMs, startedAt - reachableFrom));
          for (let count = 0; at < startedAt && count < 50; count += 1) {
            pings.push({ id: `ping-${String(pings.length).padStart(6, '0')}`, kind: 'success', receivedAt: at });
            at += Math.max(1, Math.floor(intervalMs * (1 - part.next().value / 4)));
          }
          fc.pre(at >= startedAt); // more pings than are worth looking at
          reachableFrom = endedAt;
        }
        const { facts } = run(definition, pings, (_index, ping) => [ping.receivedAt], { ...always, absences });
        expect(facts.filter((fact) => fact.kind !== 'unknown')).toEqual([]);
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

  /** Guarded by (r) of `applySignal`: without it, a ping that overtook the one in time makes a miss of it. */
  it('raises no alarm but the true ones in whatever order several ingests bring the pings into the log', () => {
    const delays = fc.array(fc.nat(1_000_000), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(definitions, signals, delays, (definition, pings, delaysMs) => {
        const successes = pings.map((ping): Signal => ({ ...ping, kind: 'success' }));
        const alarms = (facts: readonly Fact[]) => facts.flatMap((fact) => (fact.kind === 'wentDown' ? [fact.at] : []));
        const trueAlarms = alarms(run(definition, successes, () => []).facts);
        const log = successes
          .map((ping, index) => ({ ping, appendedAt: ping.receivedAt + delaysMs[index]! }))
          .sort((a, b) => a.appendedAt - b.appendedAt);
        let state = initialState(definition);
        let waiting: Signal[] = [];
        const facts: Fact[] = [];
        log.forEach(({ ping, appendedAt }, index) => {
          const underWay = log.slice(index + 1).map((later) => later.ping.receivedAt);
          const watermark = Math.min(appendedAt, ...underWay);
          const due = [...waiting, ping].sort((a, b) => (a.id < b.id ? -1 : 1)); // ids follow the dates
          waiting = [];
          for (const signal of due) {
            const result = applySignal(definition, state, signal, always, watermark);
            if (result.waits) waiting.push(signal);
            state = result.state;
            facts.push(...result.facts);
          }
          const judged = applyWatermark(definition, state, watermark, always);
          state = judged.state;
          facts.push(...judged.facts);
        });
        const end = successes.at(-1)!.receivedAt;
        expect(trueAlarms).toEqual(expect.arrayContaining(alarms(facts).filter((at) => at < end)));
        expect(facts.some((fact) => fact.kind === 'recovered' && fact.raisedInError)).toBe(false);
        expect({ waiting, baselineAt: state.baselineAt }).toEqual({ waiting: [], baselineAt: end });
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
