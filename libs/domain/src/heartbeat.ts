/**
 * What a heartbeat is: its definition (what people set) and its runtime state (what happened). All instants are
 * milliseconds since the Unix epoch (UTC) and end in `At`.
 */

/** When the job is expected: every so often after the last success, or at the matches of a cron expression. */
export type Schedule =
  | { readonly kind: 'interval'; readonly intervalSecs: number }
  | { readonly kind: 'cron'; readonly expression: string; readonly timezone: string };

/** A time in which the heartbeat was paused; `resumedAt` null means it still is. */
export interface PauseSpan {
  readonly pausedAt: number;
  readonly resumedAt: number | null;
}

/** What the owner of a heartbeat decided. Changes by whole versions only; the highest version counts. */
export interface HeartbeatDefinition {
  readonly heartbeatId: string;
  readonly projectId: string;
  readonly version: number;
  readonly name: string;
  readonly schedule: Schedule;
  readonly graceSecs: number;
  /** The heartbeat goes down at this miss in a row (1-100, 2 unless set). */
  readonly alertAfterMisses: number;
  /** When schedule or grace last changed. Expected instants before it are never misses. */
  readonly scheduleChangedAt: number;
  /** Oldest first, the last few of them. */
  readonly pauseSpans: readonly PauseSpan[];
  readonly tokenGeneration: number;
}

/**
 * - `new`: never pinged, no deadline yet
 * - `up`: pinged, nothing missed
 * - `late`: at least one miss, not enough to alert
 * - `down`: an incident is open
 * - `paused`: nothing is expected
 */
export type HeartbeatStatus = 'new' | 'up' | 'late' | 'down' | 'paused';

export type IncidentReason = 'missed' | 'failed' | 'overrun' | 'unverified';

/** The incident a heartbeat is in. Its identity is its cause and true start, so a replay finds the same incident. */
export interface OpenIncident {
  readonly startedAt: number;
  readonly reason: IncidentReason;
  readonly misses: number;
}

/** What happened to a heartbeat so far. One row per heartbeat; owned by the deadline scheduler. */
export interface RuntimeState {
  readonly status: HeartbeatStatus;
  /** The version of the definition this state was last computed with. */
  readonly definitionVersion: number;
  /** The `scheduleChangedAt` that `nextExpectedAt` was computed with. */
  readonly scheduleChangedAt: number;
  /** L of the rule: the last success, or the resume after it. Null until the first of either. */
  readonly baselineAt: number | null;
  /** The newest ping of any kind, for people to see. */
  readonly lastPingAt: number | null;
  /** The newest signal applied; signals are ordered by (receivedAt, id) and older ones change nothing. */
  readonly lastSignal: { readonly receivedAt: number; readonly id: string } | null;
  /** Misses in a row since the last success. */
  readonly misses: number;
  /** Expected pings in a row that could not be judged, because we were away. */
  readonly unknowns: number;
  /** The next expected instant E(k), or null when nothing is expected. */
  readonly nextExpectedAt: number | null;
  readonly incident: OpenIncident | null;
}

/** One call of a job, as the rule sees it. */
export interface Signal {
  readonly id: string;
  readonly kind: 'success' | 'start' | 'fail' | 'log';
  readonly receivedAt: number;
  /**
   * Present when the ingest stood still before it read the call: the call came after this instant and no later than
   * `receivedAt`. It is on time when this is not after the deadline: the delay was ours.
   */
  readonly arrivedAfter?: number;
}

/** A time in which jobs could not reach us, both ends included. */
export interface Absence {
  readonly startedAt: number;
  readonly endedAt: number;
}

/** The state of a heartbeat nobody has pinged yet. */
export function initialState(definition: HeartbeatDefinition): RuntimeState {
  return {
    status: 'new',
    definitionVersion: 0,
    scheduleChangedAt: definition.scheduleChangedAt,
    baselineAt: null,
    lastPingAt: null,
    lastSignal: null,
    misses: 0,
    unknowns: 0,
    nextExpectedAt: null,
    incident: null,
  };
}

/** The pause that is open, if the heartbeat is paused now. */
export function openPause(definition: HeartbeatDefinition): PauseSpan | undefined {
  const last = definition.pauseSpans.at(-1);
  return last?.resumedAt === null ? last : undefined;
}

/** Whether a ping received at this instant fell into a pause: from the pausing (included) to the resuming (excluded). */
export function wasPausedAt(definition: HeartbeatDefinition, at: number): boolean {
  return definition.pauseSpans.some((span) => span.pausedAt <= at && (span.resumedAt === null || at < span.resumedAt));
}

/** The three words of the Tickstem contract. Source: its public client types. */
export type ContractStatus = 'active' | 'paused' | 'failing';

/** What the Tickstem contract calls a status: new, up and late are `active`, down is `failing`. */
export function contractStatus(status: HeartbeatStatus): ContractStatus {
  if (status === 'down') return 'failing';
  return status === 'paused' ? 'paused' : 'active';
}
