/**
 * What an operator must hear of, each with a runbook. One word in messages, metrics and documents; what is said of it
 * stands in libs/infrastructure/src/operator/alert-wording.ts.
 */
export const standingConditions = [
  /** Deadlines of a shard are not judged: its watermark stands, or nobody reads it. */
  'watermark_stalled',
  /** Something in the event log is not being read. */
  'consumer_stopped',
  /** The place of a consumer lies outside what the log holds. */
  'position_lost',
  /** What was committed is not told to the event log. */
  'outbox_stuck',
  /** Messages to people are due and nobody delivers them. */
  'deliveries_overdue',
  /** The disk is full, or nearly. */
  'disk_full',
  'database_away',
  'event_log_away',
  'timers_away',
  /** Jobs are answered with 503. */
  'pings_refused',
  /** Jobs cannot reach an ingest through the public address, or CANARY_URL is wrong. */
  'unreachable',
  'clock_skewed',
  /** Anything else for which a process is not ready. */
  'not_ready',
] as const;
export type StandingCondition = (typeof standingConditions)[number];

/** What happens in an instant and cannot be over. */
export const operatorEvents = ['records_missing', 'timers_lost'] as const;
export type OperatorEvent = (typeof operatorEvents)[number];

export const operatorConditions = [...standingConditions, ...operatorEvents] as const;
export type OperatorCondition = StandingCondition | OperatorEvent;

/** A condition that holds now, or an event that has happened, in a sentence that holds no secret. */
export interface Finding<Condition extends OperatorCondition = OperatorCondition> {
  readonly condition: Condition;
  readonly sentence: string;
  /** Since when it is so, epoch ms, where that can be told from facts; the same for every process that looks. */
  readonly sinceAt?: number;
}
