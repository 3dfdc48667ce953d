import type { FaultPlan } from './faults/fault';
import type { WorldName } from './faults/plan-faults';

/** Faults at fixed instants, for runs that are always the same. */
export interface Scenario {
  readonly world: WorldName;
  readonly name: string;
  /** Of the jobs. */
  readonly seed: number;
  readonly jobs: number;
  readonly durationMs: number;
  readonly faults: readonly FaultPlan[];
}

/** A bit of everything within half a minute: part of `npm test`. */
export const SHORT: Scenario = {
  world: 'cluster',
  name: 'short',
  seed: 7,
  jobs: 40,
  durationMs: 23_000,
  faults: [
    // First what keeps pings from getting through: what is due after it takes longest.
    { kind: 'cut', target: 'Kafka', atMs: 3_000, lastsMs: 2_000 },
    { kind: 'kill', target: 'ingest-1', atMs: 6_000, lastsMs: 0 },
    { kind: 'clock', target: 'ingest-2', atMs: 6_500, lastsMs: 3_000, amountMs: -90_000 },
    { kind: 'flush', target: 'Redis', atMs: 8_000, lastsMs: 0 },
    { kind: 'freeze', target: 'deadline-scheduler-1', atMs: 9_000, lastsMs: 4_000 },
    { kind: 'lost-answers', target: 'Postgres', atMs: 11_000, lastsMs: 600 },
    { kind: 'kill', target: 'notifier-1', atMs: 13_000, lastsMs: 0 },
    { kind: 'abort-commits', target: 'Postgres', atMs: 14_000, lastsMs: 2_000 },
    { kind: 'clock', target: 'deadline-scheduler-1', atMs: 17_000, lastsMs: 4_000, amountMs: 86_400_000 },
    { kind: 'kill', target: 'deadline-scheduler-2', atMs: 19_000, lastsMs: 0 },
    { kind: 'outage', target: 'Redis', atMs: 20_000, lastsMs: 2_000 },
  ],
};

/** What a notifier planned while its clock was a day ahead was due tomorrow, and what was refused then was given up. */
const NOTIFIERS_A_DAY_AHEAD: Scenario = {
  ...{ world: 'cluster', name: 'notifiers-a-day-ahead', seed: 4, jobs: 40, durationMs: 40_000 },
  faults: [
    { kind: 'clock', target: 'notifier-1', atMs: 6_000, lastsMs: 15_000, amountMs: 86_400_000 },
    { kind: 'clock', target: 'notifier-2', atMs: 15_000, lastsMs: 15_000, amountMs: 86_400_000 },
  ],
};

/** Pings had the time of before the jump, and jobs were told down that had pinged. */
const INGEST_SET_BACK: Scenario = {
  ...{ world: 'cluster', name: 'ingest-set-back', seed: 2, jobs: 40, durationMs: 60_000 },
  faults: [
    { kind: 'clock', target: 'ingest-1', atMs: 6_000, lastsMs: 8_300, amountMs: -90_000 },
    { kind: 'clock', target: 'ingest-1', atMs: 30_000, lastsMs: 14_200, amountMs: -86_400_000 },
  ],
};

/** A bit of everything that the embedded default can meet. At the fourth death of its Postgres it used to end itself. */
const EMBEDDED: Scenario = {
  ...{ world: 'embedded', name: 'embedded', seed: 9, jobs: 40, durationMs: 90_000 },
  faults: [
    { kind: 'kill', target: 'Flatline', atMs: 3_000, lastsMs: 0 },
    { kind: 'kill', target: 'Flatline', atMs: 5_500, lastsMs: 0 }, // while it starts
    ...[12_000, 13_000, 14_500, 17_000, 21_000].map((atMs): FaultPlan => ({
      kind: 'kill',
      target: 'embedded-Postgres',
      atMs,
      lastsMs: 0,
    })),
    { kind: 'outage', target: 'machine', atMs: 26_000, lastsMs: 14_000 },
    { kind: 'kill-all', target: 'embedded-Postgres-sessions', atMs: 46_000, lastsMs: 0 },
    { kind: 'freeze', target: 'machine', atMs: 50_000, lastsMs: 16_000 },
    { kind: 'stop', target: 'Flatline', atMs: 70_000, lastsMs: 0 },
    { kind: 'lost-answers', target: 'receiver', atMs: 74_000, lastsMs: 4_000 },
    { kind: 'clock', target: 'Flatline', atMs: 80_000, lastsMs: 4_000, amountMs: -90_000 },
  ],
};

/** What has found a bug once. `npm run chaos -- --regressions` runs them, one after the other. */
export const REGRESSIONS: readonly Scenario[] = [SHORT, NOTIFIERS_A_DAY_AHEAD, INGEST_SET_BACK, EMBEDDED];
