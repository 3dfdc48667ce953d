import type { SendOutcome } from '@flatline/channels';

/**
 * Why a notification ended without anybody being told. A closed set: the column, the metric's label and the answer to
 * "why was I not told?".
 *
 * - `refused`: the other side refused it for good
 * - `unusable_settings`: the channel's settings do not fit its kind
 * - `expired`: it was tried until the age limit
 * - `unreadable`: the stored facts are not what this version understands
 * - `never_told`: a recovery of an incident that this channel was never told about
 * - `channel_deleted`: the channel was deleted before it could be told
 * - `heartbeat_deleted`: it is down, and somebody deleted the heartbeat before the channel could be told
 * - `not_configured`: the installation cannot use this kind of channel, e.g. it has no mail server
 * - `discarded`: it was given up, and an operator decided that it stays so (`dead-letters discard`)
 * - `unknown_kind`: this version does not know this kind of channel
 */
export const notToldReasons = [
  'refused',
  'unusable_settings',
  'expired',
  'unreadable',
  'never_told',
  'channel_deleted',
  'heartbeat_deleted',
  'not_configured',
  'discarded',
  'unknown_kind',
] as const;
export type NotToldReason = (typeof notToldReasons)[number];

/** A notification that nobody could be told with is given up this long after it was planned, in ms. */
export const AGE_LIMIT_MS = 24 * 3_600_000;
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 600_000;

/** What becomes of a notification after an attempt. */
export type NextStep =
  | { readonly status: 'delivered' }
  | { readonly status: 'dead'; readonly reason: NotToldReason }
  | { readonly status: 'pending'; readonly nextAttemptAt: number };

export interface AttemptHistory {
  /** Attempts made so far, this one included (>= 1). */
  readonly attempts: number;
  /** When it was planned, epoch ms. */
  readonly createdAt: number;
}

/**
 * Decides after an attempt. Retries come after 2 s, 4 s, 8 s, ... up to 10 minutes, each shortened at random by up to
 * half so that many do not come at once, and never before the receiver asked for. One that would lie behind the age
 * limit is not made.
 *
 * @param now epoch ms
 * @param random 0 up to 1
 */
export function nextStep(outcome: SendOutcome, history: AttemptHistory, now: number, random: number): NextStep {
  switch (outcome.outcome) {
    case 'delivered':
      return { status: 'delivered' };
    case 'permanent':
      return { status: 'dead', reason: outcome.fault === 'settings' ? 'unusable_settings' : 'refused' };
    case 'retryable': {
      const waitMs = Math.max(backOffMs(history.attempts, random), outcome.retryAfterMs ?? 0);
      const nextAttemptAt = now + Math.round(waitMs);
      if (nextAttemptAt - history.createdAt > AGE_LIMIT_MS) return { status: 'dead', reason: 'expired' };
      return { status: 'pending', nextAttemptAt };
    }
  }
}

function backOffMs(attempts: number, random: number): number {
  const fullMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 30));
  return fullMs * (1 - random / 2);
}
