/**
 * What Flatline must never do.
 *
 * - `lost`: a ping that it answered with 200 is not in the history
 * - `doubled`: a ping is in the history twice
 * - `invented`: the history has more pings than were ever sent
 * - `misdated`: the history says another time than that between sending and answer
 * - `refused`: a valid ping was answered as if it were wrong (4xx), or with 200 and no id
 * - `false`: an alarm about a job that had pinged, was paused, or tried and could not get through
 * - `missed`: a job was silent and no alarm came, or not in time
 * - `duplicate`: one thing told under two keys, or one silence told as two incidents
 * - `order`: a recovery before its "down", a "down" that overtook a recovery, or a last word that is not the true one
 * - `garbled`: a receiver got something that is no message
 * - `leftover`: something was put aside or is still waiting when all should be done
 * - `ended`: the process of the embedded default ended by itself, and nobody watches over that
 */
export const VIOLATION_KINDS = [
  'lost',
  'doubled',
  'invented',
  'misdated',
  'refused',
  'false',
  'missed',
  'duplicate',
  'order',
  'garbled',
  'leftover',
  'ended',
] as const;
export type ViolationKind = (typeof VIOLATION_KINDS)[number];

export interface Violation {
  readonly kind: ViolationKind;
  /** The heartbeat, null when it is about none. */
  readonly id: string | null;
  /** One sentence for whoever looks for the reason. */
  readonly what: string;
}

/** An instant as it stands in the sentences. */
export function clock(at: number): string {
  return new Date(at).toISOString().slice(11, 23);
}
