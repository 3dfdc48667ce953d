import fc from 'fast-check';
import { applyDefinition, applySignal, applyWatermark, type Fact, type RuleResult } from './deadline-rule';
import {
  initialState,
  openPause,
  type Absence,
  type HeartbeatDefinition,
  type OpenIncident,
  type RuntimeState,
  type Schedule,
  type Signal,
} from './heartbeat';
import { contradictionIn } from './runtime-check';
import { always, definition, SECOND, T0 } from './test-heartbeat';

const SCHEDULES: readonly Schedule[] = [
  { kind: 'interval', intervalSecs: 1 },
  { kind: 'interval', intervalSecs: 60 },
  { kind: 'interval', intervalSecs: 3_600 },
  { kind: 'cron', expression: '*/5 * * * *', timezone: 'Europe/Berlin' },
  { kind: 'cron', expression: '30 2 * * *', timezone: 'America/New_York' },
];

/** Everything that can happen to a heartbeat, in any order; `number` means what it has to. */
const steps = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.nat(90 * SECOND), fc.nat(400 * SECOND)),
    what: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('ping', 'late ping') },
      { weight: 3, arbitrary: fc.constant('watermark') },
      {
        weight: 4,
        arbitrary: fc.constantFrom('pause or resume', 'schedule', 'grace', 'misses', 'absence', 'heard of'),
      },
    ),
    number: fc.nat(1_000),
  }),
  { minLength: 3, maxLength: 40 },
);

/** A heartbeat with its shard, and what must hold of it whatever happens. */
class Life {
  now = T0;
  watermark = T0;
  definition: HeartbeatDefinition = definition({ scheduleChangedAt: T0 - 1 });
  absences: readonly Absence[] = [];
  private state: RuntimeState = initialState(this.definition);
  private waiting: Signal[] = [];
  private readonly incidents = new Set<string>();
  private isDown = false;
  private pings = 0;

  change(what: Partial<HeartbeatDefinition>): void {
    this.definition = { ...this.definition, ...what, version: this.definition.version + 1 };
  }

  pauseOrResume(): void {
    const { pauseSpans } = this.definition;
    const open = openPause(this.definition);
    const last = { pausedAt: open?.pausedAt ?? this.now, resumedAt: open ? this.now : null };
    this.change({ pauseSpans: [...(open ? pauseSpans.slice(0, -1) : pauseSpans), last] });
  }

  /** Nobody is there for so long. */
  beAway(ms: number): void {
    const startedAt = Math.max(this.now, (this.absences.at(-1)?.endedAt ?? 0) + 1_001);
    this.now = startedAt + ms;
    this.absences = [...this.absences, { startedAt, endedAt: this.now }];
  }

  hearOfDefinition(): void {
    this.note(applyDefinition(this.definition, this.state));
  }

  ping(receivedAt: number): void {
    this.pings += 1;
    this.waiting.push({ id: `ping-${String(this.pings).padStart(4, '0')}`, kind: 'success', receivedAt });
    this.apply();
  }

  passWatermark(): void {
    this.watermark = this.now;
    this.apply();
    this.note(applyWatermark(this.definition, this.state, this.watermark, this.context));
  }

  private get context() {
    return { ...always, absences: this.absences };
  }

  private apply(): void {
    const due = this.waiting.sort((a, b) => a.receivedAt - b.receivedAt || (a.id < b.id ? -1 : 1));
    this.waiting = [];
    for (const signal of due) {
      const result = applySignal(this.definition, this.state, signal, this.context, this.watermark);
      if (result.waits) this.waiting.push(signal);
      this.note(result);
    }
  }

  private note({ state, facts }: RuleResult): void {
    this.state = state;
    facts.forEach((fact) => this.noteFact(fact));
    expectSound(state, this.isDown);
  }

  private noteFact(fact: Fact): void {
    if (fact.kind === 'missed' || fact.kind === 'unknown') return;
    expectInOrder(fact, this.isDown);
    this.isDown = fact.kind === 'wentDown';
    if (this.isDown) expectNews(fact.incident, this.incidents, this.watermark);
  }
}

function expectSound(state: RuntimeState, isDown: boolean): void {
  expect(contradictionIn(state)).toBeNull();
  expect(state.status === 'down').toBe(isDown);
}

function expectInOrder(fact: Extract<Fact, { incident: OpenIncident }>, isDown: boolean): void {
  expect(isDown).toBe(fact.kind !== 'wentDown');
  if (fact.kind === 'recovered') expect(fact.at).toBeGreaterThanOrEqual(fact.incident.startedAt);
}

/** By what an incident is known is said by `incidentIdOf` in apps/deadline-scheduler: a second one would not be told. */
function expectNews({ startedAt, reason }: OpenIncident, known: Set<string>, watermark: number): void {
  expect(startedAt).toBeLessThan(watermark);
  expect(known).not.toContain(`${reason}:${startedAt}`);
  known.add(`${reason}:${startedAt}`);
}

describe('the deadline rule, whatever happens to a heartbeat', () => {
  /** The ids are guarded by `sameIncidentFrom`, the watermark by (r) of `applySignal`, both in deadline-rule.ts. */
  it('leaves no state that contradicts itself, no incident known by the name of another, none ahead of the watermark', () => {
    fc.assert(
      fc.property(steps, (story) => {
        const life = new Life();
        for (const { afterMs, what, number } of story) {
          life.now += afterMs;
          if (what === 'ping') life.ping(life.now);
          if (what === 'late ping') life.ping(Math.max(T0, life.now - number * 600));
          if (what === 'watermark') life.passWatermark();
          if (what === 'pause or resume') life.pauseOrResume();
          if (what === 'schedule') {
            life.change({ schedule: SCHEDULES[number % SCHEDULES.length]!, scheduleChangedAt: life.now });
          }
          if (what === 'grace') life.change({ graceSecs: number, scheduleChangedAt: life.now });
          if (what === 'misses') life.change({ alertAfterMisses: 1 + (number % 100) });
          if (what === 'absence') life.beAway(1 + number * 100);
          if (what === 'heard of') life.hearOfDefinition();
        }
      }),
      { numRuns: 200 },
    );
  });
});
