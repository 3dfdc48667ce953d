import {
  type Absence,
  absencesUntil,
  applyPulse,
  applySignal,
  applyWatermark,
  emptyProgress,
  type Fact,
  type HeartbeatDefinition,
  initialState,
  type ShardProgress,
  withAbsences,
} from '@flatline/domain';
import { FakeClock, testDefinition } from '@flatline/test-kit';
import fc from 'fast-check';
import { UNCHECKED } from './canary/reachability';
import { IngestClock } from './ingest-clock';
import { PartitionStanding } from './partition-standing';

const LEASE_MS = 10_000;
const TICK_MS = 500;
const SECOND = 1_000;
const HOUR = 3_600_000;

interface Step {
  /** True time since the beginning. */
  readonly at: number;
  readonly byMs: number;
}

/**
 * A machine whose clock is set, with everything on it that goes by the clock: an ingest, the log, the rules of a
 * scheduler, and one job that keeps true time.
 */
class Machine {
  private readonly clock = new FakeClock();
  private readonly ingest: IngestClock;
  private readonly standing: PartitionStanding;
  private progress: ShardProgress = emptyProgress;
  private absences: readonly Absence[] = [];
  private state;
  private pings = 0;
  readonly facts: Fact[] = [];

  constructor(
    private readonly definition: HeartbeatDefinition,
    private readonly steps: readonly Step[],
  ) {
    this.state = initialState(definition);
    this.ingest = new IngestClock(this.clock, {
      stepped: (byMs) => this.standing.noteStep(byMs),
      stalled: () => {},
    });
    this.standing = new PartitionStanding({
      clock: this.ingest,
      monotonic: () => this.clock.monotonic(),
      leaseMs: LEASE_MS,
      clockIsWrong: () => false,
      reach: () => UNCHECKED,
    });
  }

  /** Lets time pass until an instant of true time. The job tries again every tick until its ping is taken. */
  runTo(untilMs: number, pingDueAt: (pings: number) => number | null): void {
    while (this.clock.monotonic() < untilMs) {
      const before = this.clock.monotonic();
      this.clock.advance(TICK_MS);
      for (const { at, byMs } of this.steps) if (at > before && at <= before + TICK_MS) this.clock.step(byMs);
      const dueAt = pingDueAt(this.pings);
      if (dueAt !== null && this.clock.monotonic() >= dueAt) this.ping();
      this.pulse();
      this.judge();
    }
  }

  get isDown(): boolean {
    return this.state.status === 'down';
  }

  private get context() {
    return { absences: this.absences, rules: { leaseMs: LEASE_MS } };
  }

  private ping(): void {
    const dating = this.standing.date();
    if (!this.standing.mayAccept) return this.standing.noteTurnedAway();
    this.pings += 1;
    const signal = { id: `ping-${String(this.pings).padStart(6, '0')}`, kind: 'success' as const, ...dating };
    this.note(applySignal(this.definition, this.state, signal, this.context));
  }

  private pulse(): void {
    const pulse = { ingestId: 'a', epoch: 1, ...this.standing.claim(null, false) };
    const appendedAt = this.clock.now();
    const result = applyPulse(this.progress, pulse, appendedAt, LEASE_MS);
    if (result.progress.watermark! < (this.progress.watermark ?? 0))
      this.absences = absencesUntil(this.absences, appendedAt);
    this.progress = result.progress;
    this.absences = withAbsences(this.absences, result.absences);
    this.standing.noteStored(0, { sentAt: this.clock.monotonic(), appendedAt });
  }

  private judge(): void {
    const upTo = Math.min(this.progress.watermark!, this.clock.now());
    this.note(applyWatermark(this.definition, this.state, upTo, this.context));
  }

  private note({ state, facts }: ReturnType<typeof applyWatermark>): void {
    this.state = state;
    this.facts.push(...facts);
  }
}

const every = (intervalSecs: number, graceSecs: number, alertAfterMisses: number): HeartbeatDefinition =>
  testDefinition({ schedule: { kind: 'interval', intervalSecs }, graceSecs, alertAfterMisses });

const kinds = (machine: Machine): string[] => machine.facts.map(({ kind }) => kind);

/** After the last step, a dead job is found when the clock has made good what it was set back, and after its misses. */
function foundWithin({ schedule, graceSecs, alertAfterMisses }: HeartbeatDefinition, steps: readonly Step[]): number {
  const interval = schedule.kind === 'interval' ? schedule.intervalSecs * SECOND : 0;
  const stepped = steps.reduce((sum, { byMs }) => sum + Math.abs(byMs), 0);
  return stepped + (alertAfterMisses + 2) * interval + graceSecs * SECOND + 4 * LEASE_MS;
}

describe('interval schedules over steps of the clock', () => {
  // Guarded by `blindUntil` in `PartitionStanding.noteStep`.
  it.each([
    ['an hour forward', [{ at: 100_000, byMs: HOUR }]],
    ['an hour back', [{ at: 100_000, byMs: -HOUR }]],
    [
      'an hour forward and back again',
      [
        { at: 100_000, byMs: HOUR },
        { at: 200_000, byMs: -HOUR },
      ],
    ],
    [
      'an hour back and forward again',
      [
        { at: 100_000, byMs: -HOUR },
        { at: 200_000, byMs: HOUR },
      ],
    ],
    ['five seconds forward, less than a lease', [{ at: 100_000, byMs: 5_000 }]],
    [
      'a little more than the grace forward, and a part of it back at once',
      [
        { at: 90_001, byMs: 3_502 },
        { at: 90_501, byMs: -501 },
      ],
    ],
  ])('%s: nothing false is told of a job that goes on, and a dead one is found', (_what, steps) => {
    const definition = every(30, 3, 1);
    const machine = new Machine(definition, steps);
    machine.runTo(400_000, (pings) => pings * 30_000);
    expect(kinds(machine)).not.toContain('wentDown');
    machine.runTo(400_000 + foundWithin(definition, steps), () => null);
    expect(machine.isDown).toBe(true);
  });

  it('any steps at any time: nothing false is told of a job that goes on, and a dead one is found', () => {
    const definitions = fc
      .record({
        intervalSecs: fc.integer({ min: 5, max: 120 }),
        graceSecs: fc.integer({ min: 3, max: 30 }),
        misses: fc.integer({ min: 1, max: 2 }),
      })
      .map(({ intervalSecs, graceSecs, misses }) => every(intervalSecs, graceSecs, misses));
    const steps = fc.array(
      fc.record({
        at: fc.integer({ min: 20_000, max: 300_000 }),
        byMs: fc.oneof(fc.integer({ min: -300_000, max: 300_000 }), fc.integer({ min: -15_000, max: 15_000 })),
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(definitions, steps, (definition, someSteps) => {
        const machine = new Machine(definition, someSteps);
        const intervalMs = definition.schedule.kind === 'interval' ? definition.schedule.intervalSecs * SECOND : 0;
        machine.runTo(400_000, (pings) => pings * intervalMs);
        expect(kinds(machine)).not.toContain('wentDown');
        machine.runTo(400_000 + foundWithin(definition, someSteps), () => null);
        expect(machine.isDown).toBe(true);
      }),
      { numRuns: 15 },
    );
  });
});
