/** Who has to change something: the other side said no, or the settings of the channel cannot be used. */
export type PermanentFault = 'receiver' | 'settings';

/**
 * How one attempt to tell people ended. Decided once, at the edge, by the kind that made the attempt.
 *
 * - `delivered`: the other side took responsibility for the message.
 * - `retryable`: it may work later; `retryAfterMs` is what the other side asked for, if it did. With `isAboutRecipient` it
 *   was refused for this recipient, by a server that others are told through and that works.
 * - `permanent`: repeating the same message to the same target cannot help.
 *
 * `reason` is kept and shown: it is composed of codes and our own words alone, never of the target's address, its URL,
 * a credential or anything the other side wrote.
 */
export type SendOutcome =
  | { readonly outcome: 'delivered'; readonly reason: string }
  | {
      readonly outcome: 'retryable';
      readonly reason: string;
      readonly retryAfterMs?: number;
      readonly isAboutRecipient?: boolean;
    }
  | { readonly outcome: 'permanent'; readonly reason: string; readonly fault: PermanentFault };

export const delivered = (reason: string): SendOutcome => ({ outcome: 'delivered', reason });
export const permanent = (reason: string, fault: PermanentFault = 'receiver'): SendOutcome => ({
  outcome: 'permanent',
  reason,
  fault,
});
export const retryable = (reason: string, retryAfterMs?: number): SendOutcome =>
  retryAfterMs === undefined ? { outcome: 'retryable', reason } : { outcome: 'retryable', reason, retryAfterMs };
