/**
 * What is written down of a run: what the jobs did, what was done to Flatline, what the receivers got, and in the end
 * what Flatline says of it all. The checker sees nothing else. Instants are epoch ms of this machine's clock, which no
 * fault touches; what Flatline says is in its own words and by its own clocks.
 */
export type Entry =
  | RunEntry
  | JobEntry
  | DueEntry
  | PingEntry
  | ControlEntry
  | FaultEntry
  | EndedEntry
  | MessageEntry
  | GarbledEntry
  | LagEntry
  | QuietEntry
  | HistoryEntry
  | IncidentsEntry
  | LeftoverEntry;

export interface RunEntry {
  readonly type: 'run';
  readonly at: number;
  readonly seed: number;
  /** Everything needed to do it again. */
  readonly command: string;
  /** INGEST_LEASE_SECONDS of the cluster, in ms. */
  readonly leaseMs: number;
  readonly receivers: readonly Receiver[];
}

export interface Receiver {
  readonly name: string;
  /** It refuses, hangs and hangs up at random: when it is told says nothing about Flatline. */
  readonly isFlaky: boolean;
}

export interface JobEntry {
  readonly type: 'job';
  /** Of the heartbeat. */
  readonly id: string;
  readonly name: string;
  readonly intervalMs: number;
  readonly graceMs: number;
  readonly alertAfterMisses: number;
  /** A probe of this shard: it shows when pings get through again. */
  readonly probeOf: number | null;
}

/** The job ran and meant to ping, whatever came of it. */
export interface DueEntry {
  readonly type: 'due';
  readonly id: string;
  readonly at: number;
}

/** One attempt of a job to ping. */
export interface PingEntry {
  readonly type: 'ping';
  readonly id: string;
  readonly sentAt: number;
  /** When the answer was read, or the attempt given up. */
  readonly endedAt: number;
  /** HTTP status; null: there was no answer. */
  readonly status: number | null;
  /** The id that the answer gave the ping. */
  readonly pingId: string | null;
}

/** A person paused or resumed it, trying until it was answered. */
export interface ControlEntry {
  readonly type: 'control';
  readonly id: string;
  readonly action: 'pause' | 'resume';
  /** Of the first attempt. */
  readonly sentAt: number;
  /** Of the answer 200. */
  readonly endedAt: number;
}

export interface FaultEntry {
  readonly type: 'fault';
  readonly kind: string;
  readonly target: string;
  /** With all its particulars, for people. */
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Flatline ended by itself: nobody had killed it or told it to stop. */
export interface EndedEntry {
  readonly type: 'ended';
  readonly at: number;
  /** Its last words. */
  readonly what: string;
}

/** Something came to a receiver, whatever it answered. In the order in which they came. */
export interface MessageEntry {
  readonly type: 'message';
  readonly receiver: string;
  readonly at: number;
  /** The idempotency key. */
  readonly key: string;
  readonly transition: 'down' | 'recovered';
  readonly id: string;
  readonly incidentId: string;
  readonly reason: string;
  /** The receiver answered 2xx. */
  readonly isTaken: boolean;
}

/** Something came to a receiver that is no message. */
export interface GarbledEntry {
  readonly type: 'garbled';
  readonly receiver: string;
  readonly at: number;
  readonly what: string;
}

/** How far the watermark was behind in the shard that was furthest behind; null: it could not be asked. */
export interface LagEntry {
  readonly type: 'lag';
  readonly at: number;
  readonly lagMs: number | null;
}

/** From here on there were no faults, and nobody began anything new. */
export interface QuietEntry {
  readonly type: 'quiet';
  readonly startedAt: number;
  readonly endedAt: number;
}

export interface HistoryEntry {
  readonly type: 'history';
  readonly id: string;
  readonly pings: readonly { readonly id: string; readonly at: number }[];
}

export interface IncidentsEntry {
  readonly type: 'incidents';
  readonly id: string;
  /** Oldest first. */
  readonly incidents: readonly ToldIncident[];
}

export interface ToldIncident {
  readonly id: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly reason: string;
  readonly isRaisedInError: boolean;
}

/** What should be empty in the end and was not: `dead_letter`, `outbox`, `notification`. */
export interface LeftoverEntry {
  readonly type: 'leftover';
  readonly table: string;
  readonly rows: number;
  readonly example: string;
}
