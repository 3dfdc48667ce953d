import { type Random, randomOf } from '../random';

export const SERVICES = ['gateway', 'ingest', 'management-api', 'deadline-scheduler', 'notifier'] as const;
export type Service = (typeof SERVICES)[number];

/** The processes of the cluster, as it calls them. */
export const PROCESSES = [
  'gateway',
  ...(['ingest', 'management-api', 'deadline-scheduler', 'notifier'] as const).flatMap(
    (service) => [`${service}-1`, `${service}-2`] as const,
  ),
] as const;
export type ProcessName = (typeof PROCESSES)[number];

export const SERVERS = ['Postgres', 'Kafka', 'Redis'] as const;
export type ServerName = (typeof SERVERS)[number];

/**
 * - `kill`: kill -9 of a process; the supervisor starts it again
 * - `kill-all`: of all processes of a service at once
 * - `stop`: SIGTERM to a process, as when a new version is rolled out; the supervisor starts it again
 * - `freeze`: SIGSTOP, later SIGCONT, of a process or a server
 * - `freeze-all`: of all processes of a service
 * - `stutter`: a process or a server gets a quarter of its time, in pieces: a machine or a disk that is too slow
 * - `outage`: kill -9 of a server, started again later
 * - `flush`: FLUSHALL on Redis
 * - `abort-commits`: sessions of Postgres are ended in the middle of their transactions
 * - `lost-answers`: what a server answers is lost on the way, then connections break: was it done or not?
 * - `cut`: nobody reaches a server, connections break
 * - `part`: one process does not reach one server, and all others do
 * - `slow`: the network to a server takes its time
 * - `clock`: the wall clock of a process jumps, and later back
 */
export const FAULT_KINDS = [
  'kill',
  'kill-all',
  'stop',
  'freeze',
  'freeze-all',
  'stutter',
  'outage',
  'flush',
  'abort-commits',
  'lost-answers',
  'cut',
  'part',
  'slow',
  'clock',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export type FaultTarget = ProcessName | ServerName | Exclude<Service, 'gateway'>;

export interface FaultPlan {
  readonly kind: FaultKind;
  readonly target: FaultTarget;
  /** Since the start of the run. */
  readonly atMs: number;
  readonly lastsMs: number;
  /** `part`: what the target does not reach. */
  readonly from?: ServerName;
  /** `slow`: delay of each piece, ms; `clock`: how far it jumps, ms. */
  readonly amountMs?: number;
}

export interface FaultOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly kinds: readonly FaultKind[];
}

/** How often each kind is drawn, beside the others. */
const WEIGHTS: Record<FaultKind, number> = {
  ...{ kill: 4, 'kill-all': 2, stop: 2, freeze: 4, 'freeze-all': 2, stutter: 2, outage: 3 },
  ...{ flush: 1, 'abort-commits': 2, 'lost-answers': 2, cut: 2, part: 4, slow: 2, clock: 4 },
};

/** Before the first fault: everybody has pinged. */
const CALM_MS = 6_000;
/** Jumps of a clock: within what is allowed between machines, just outside, minutes, a day. */
const JUMPS_MS = [400, 900, 3_000, 90_000, 86_400_000];
/** Nobody behind a gateway knows that it is away, so it is away for shorter than a client tries. */
const GATEWAY_AWAY_MS = 6_000;
const SERVICES_WITH_TWO = ['ingest', 'management-api', 'deadline-scheduler', 'notifier'] as const;

/** The faults of a run, in the order in which they begin; some overlap. A pure function of the options. */
export function planFaults({ seed, durationMs, kinds }: FaultOptions): FaultPlan[] {
  const random = randomOf(seed, 'faults');
  const drawn = kinds.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
  const plans: FaultPlan[] = [];
  let atMs = CALM_MS;
  for (;;) {
    const plan = { ...faultOf(random.pick(drawn), random), atMs: Math.round(atMs) };
    if (atMs + plan.lastsMs > durationMs) return plans;
    plans.push(plan);
    atMs += plan.lastsMs * random.between(0.4, 1.2) + random.between(3_000, 16_000);
  }
}

function faultOf(kind: FaultKind, random: Random): Omit<FaultPlan, 'atMs'> {
  const lasting = (lowMs: number, highMs: number): number => Math.round(random.between(lowMs, highMs));
  const server = random.pick(SERVERS);
  const processName = random.pick(PROCESSES);
  switch (kind) {
    case 'kill':
      return { kind, target: processName, lastsMs: 0 };
    case 'stop':
      return { kind, target: processName, lastsMs: 0 };
    case 'kill-all':
      return { kind, target: random.pick(SERVICES_WITH_TWO), lastsMs: 0 };
    case 'freeze': {
      const target = random.chance(0.4) ? server : processName;
      return { kind, target, lastsMs: lasting(500, target === 'gateway' ? GATEWAY_AWAY_MS : 18_000) };
    }
    case 'freeze-all':
      return { kind, target: random.pick(SERVICES_WITH_TWO), lastsMs: lasting(1_000, 25_000) };
    case 'stutter':
      return { kind, target: random.chance(0.5) ? server : processName, lastsMs: lasting(3_000, 12_000) };
    case 'outage':
      return { kind, target: server, lastsMs: lasting(0, 15_000) };
    case 'flush':
      return { kind, target: 'Redis', lastsMs: 0 };
    case 'abort-commits':
      return { kind, target: 'Postgres', lastsMs: lasting(2_000, 8_000) };
    case 'lost-answers':
      return { kind, target: server, lastsMs: lasting(300, 5_000) };
    case 'cut':
      return { kind, target: server, lastsMs: lasting(1_000, 14_000) };
    case 'part': {
      const target = random.pick(PROCESSES.filter((name) => name !== 'gateway')); // that one knows no server
      const usesTimers = /^(deadline-scheduler|notifier)/.test(target);
      const from = random.pick(SERVERS.filter((name) => name !== 'Redis' || usesTimers));
      return { kind, target, from, lastsMs: lasting(1_000, 20_000) };
    }
    case 'slow':
      return { kind, target: server, lastsMs: lasting(4_000, 15_000), amountMs: lasting(20, 300) };
    case 'clock': {
      const amountMs = random.pick(JUMPS_MS) * (random.chance(0.5) ? 1 : -1);
      return { kind, target: processName, lastsMs: lasting(2_000, 15_000), amountMs };
    }
  }
}

/**
 * Whether a ping needs it to be stored. Without any of the others it is stored all the same, and its deadline stays where it
 * is.
 */
export function isOnTheWayIn(target: string): boolean {
  return /^(gateway|ingest|Kafka|everything)/.test(target);
}

/** As it stands in tables: `freeze ingest-1 4.2 s`. */
export function nameOf({ kind, target, from, lastsMs, amountMs }: Omit<FaultPlan, 'atMs'>): string {
  const place = from === undefined ? '' : ` from ${from}`;
  const amount = amountMs === undefined ? '' : ` by ${amountMs / 1000} s`;
  return `${kind} ${target}${place}${amount}${lastsMs > 0 ? ` for ${(lastsMs / 1000).toFixed(1)} s` : ''}`;
}
