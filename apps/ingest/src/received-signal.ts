import type { Signal } from '@flatline/domain';
import type { Recipient } from './verified-tokens';

/** What every dialect turns a request into. */
export interface ReceivedSignal {
  readonly recipient: Recipient;
  readonly kind: Signal['kind'];
  readonly method: string;
  readonly userAgent: string | undefined;
  /** At most the first {@link PING_BODY_LIMIT_BYTES} bytes of what the job sent. */
  readonly body: Buffer | undefined;
  /** Where it belongs in a trace, when it is traced. */
  readonly traceparent?: string | null;
}

/** How much of a body is kept; longer ones are cut, never refused. Announced in the header `Ping-Body-Limit`. */
export const PING_BODY_LIMIT_BYTES = 10_000;

/** How much of a User-Agent is kept. */
export const USER_AGENT_LIMIT = 200;
