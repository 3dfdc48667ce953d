/** The processes of the cluster, as it calls them. */
export const CLUSTER_PROCESSES = [
  'gateway',
  ...(['ingest', 'management-api', 'deadline-scheduler', 'notifier'] as const).flatMap(
    (service) => [`${service}-1`, `${service}-2`] as const,
  ),
] as const;

/** The processes of the embedded default: the one that a person starts, the Postgres that it starts, and its sessions. */
export const EMBEDDED_PROCESSES = ['Flatline', 'embedded-Postgres', 'embedded-Postgres-sessions'] as const;

export const PROCESSES = [...CLUSTER_PROCESSES, ...EMBEDDED_PROCESSES] as const;
export type ProcessName = (typeof PROCESSES)[number];

/** Servers of their own, which a cluster stands on. */
export const CLUSTER_SERVERS = ['Postgres', 'Kafka', 'Redis'] as const;
/** What can be kept away, or stopped as a whole: Flatline alone, its Postgres, or `machine`, which is both. */
export const EMBEDDED_SERVERS = ['Flatline', 'embedded-Postgres', 'machine'] as const;
export type ServerName = (typeof CLUSTER_SERVERS)[number] | (typeof EMBEDDED_SERVERS)[number];

/** What has a network before it that can be made worse: `way-in` is the port of the embedded Flatline. */
export const NETWORKS = [...CLUSTER_SERVERS, 'way-in', 'receiver'] as const;
export type NetworkName = (typeof NETWORKS)[number];

export const SERVICES_WITH_TWO = ['ingest', 'management-api', 'deadline-scheduler', 'notifier'] as const;

/**
 * - `kill`: kill -9 of a process; the supervisor starts it again
 * - `kill-all`: of all processes of a service at once
 * - `stop`: SIGTERM to a process, as when a new version is rolled out; the supervisor starts it again
 * - `freeze`: SIGSTOP, later SIGCONT, of a process or a server
 * - `freeze-all`: of all processes of a service
 * - `stutter`: a process or a server gets a quarter of its time, in pieces: a machine or a disk that is too slow
 * - `outage`: kill -9 of a server, or of the one process of the embedded default, started again later
 * - `flush`: FLUSHALL on Redis
 * - `abort-commits`: sessions of Postgres are ended in the middle of their transactions
 * - `lost-answers`: what a server answers is lost on the way, then connections break: was it done or not?
 * - `cut`: nobody reaches a server, or a receiver; connections break
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

export type FaultTarget = ProcessName | ServerName | NetworkName | (typeof SERVICES_WITH_TWO)[number];

export interface FaultPlan {
  readonly kind: FaultKind;
  readonly target: FaultTarget;
  /** Since the start of the run. */
  readonly atMs: number;
  readonly lastsMs: number;
  /** `part`: what the target does not reach. */
  readonly from?: (typeof CLUSTER_SERVERS)[number];
  /** `slow`: delay of each piece, ms; `clock`: how far it jumps, ms. */
  readonly amountMs?: number;
}

/**
 * Whether a ping needs it to be stored. Without any of the others it is stored all the same, and its deadline stays where it
 * is.
 */
export function isOnTheWayIn(target: string): boolean {
  return /^(gateway|ingest|Kafka|Flatline|embedded-Postgres|machine|way-in|everything)/.test(target);
}

/** Whether no ping at all can be stored without it: Flatline has to know that nobody could reach it meanwhile. */
export function takesEveryPing(target: string): boolean {
  return /^(ingest|Kafka|Flatline|embedded-Postgres.*|machine)$/.test(target);
}

/** Whether it is the way from the jobs to Flatline, of which nobody in there knows whether it is open. */
export function isBeforeTheDoor(target: string): boolean {
  return /^(gateway|way-in|everything)$/.test(target);
}

/** As it stands in tables: `freeze ingest-1 4.2 s`. */
export function nameOf({ kind, target, from, lastsMs, amountMs }: Omit<FaultPlan, 'atMs'>): string {
  const place = from === undefined ? '' : ` from ${from}`;
  const amount = amountMs === undefined ? '' : ` by ${amountMs / 1000} s`;
  return `${kind} ${target}${place}${amount}${lastsMs > 0 ? ` for ${(lastsMs / 1000).toFixed(1)} s` : ''}`;
}
