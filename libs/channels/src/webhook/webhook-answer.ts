import { delivered, permanent, retryable } from '../send-outcome';
import type { SendOutcome } from '../send-outcome';

/** No receiver can ask us to wait longer, in ms: an alert is of little use a day later. */
export const MAX_RETRY_AFTER_MS = 3_600_000;

/** Statuses below 500 that say "not now" rather than "never". */
const passing = new Set([408, 409, 421, 423, 425, 429]);
/**
 * What a receiver answers while it is being deployed, has lost its route or its credentials are being changed. A wrong
 * address answers the same, and then these are tried in vain until the age limit; the other way round an alert would be
 * lost for good because of one bad minute.
 */
const underRepair = new Set([401, 402, 403, 404, 407]);

/**
 * What an HTTP status means for a delivery.
 *
 * - 2xx: delivered.
 * - 3xx: redirects are not followed (they could lead to a private address, and the signature was made for the address
 *   that was configured). A detour is often a maintenance or login page, so it is tried again.
 * - 408, 409, 421, 423, 425, 429, 5xx, and what is no status at all: tried again, after `Retry-After` if the receiver sent one.
 * - 401, 402, 403, 404, 407: tried again, see above.
 * - 410 and the rest of 4xx (400, 405, 413, 415, 422, ...): the receiver understood and refuses; repeating the same
 *   bytes cannot help.
 *
 * @param retryAfter the header as received
 * @param now epoch ms, for a `Retry-After` that is a date
 */
export function judgeAnswer(status: number, retryAfter: string | undefined, now: number): SendOutcome {
  const reason = `the receiver answered ${status}`;
  if (status >= 200 && status < 300) return delivered(reason);
  if (status >= 300 && status < 400) return retryable(`${reason}, a redirect, which is not followed`);
  if (status >= 500 || status < 200 || passing.has(status) || underRepair.has(status)) {
    return retryable(reason, retryAfterMs(retryAfter, now));
  }
  return permanent(reason);
}

/** Reads `Retry-After` (seconds or an HTTP date) as ms from now, within 0 and the cap; undefined when it is neither. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  const text = header?.trim();
  if (!text) return undefined;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1_000 : httpDate(text) - now;
  if (Number.isNaN(waitMs)) return undefined;
  return Math.min(Math.max(0, waitMs), MAX_RETRY_AFTER_MS);
}

/** `Date.parse` takes nearly anything for a date, "-5" too; HTTP dates begin with the day of the week. */
function httpDate(text: string): number {
  return /^(mon|tue|wed|thu|fri|sat|sun)/i.test(text) ? Date.parse(text) : Number.NaN;
}
