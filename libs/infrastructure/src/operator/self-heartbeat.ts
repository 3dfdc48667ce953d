import { type Clock, type Logger, RecurringWarning } from '@flatline/service-kernel';
import { codeOf } from '../server-away';

export interface SelfHeartbeatParts {
  /** A ping URL, of another Flatline or of any service of the kind. A secret. */
  readonly url: string;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const ANSWER_WITHIN_MS = 10_000;
/** A look that comes this much before its time is not sent away until the next one. */
const EARLY_MS = 1_000;

/**
 * The outgoing ping of this Flatline. Whoever knows that all is well says so; a ping follows when one is due. When nobody
 * says it any more, for whatever reason, pings stop and somebody else gives the alarm. One that was not taken is due again
 * at once: the other side may have been restarting. What becomes of a ping harms nobody here.
 */
export class SelfHeartbeat {
  private readonly failing: RecurringWarning;
  private sentAt = -Infinity;
  private sending = false;

  constructor(private readonly parts: SelfHeartbeatParts) {
    this.failing = new RecurringWarning(parts.logger, parts.clock, 'SELF_HEARTBEAT_URL did not take a ping');
  }

  /** All is well just now. Returns at once. */
  allIsWell(): void {
    const now = this.parts.clock.monotonic();
    if (this.sending || now - this.sentAt < this.parts.everyMs - EARLY_MS) return;
    this.sentAt = now;
    this.sending = true;
    void this.send().finally(() => (this.sending = false));
  }

  private async send(): Promise<void> {
    try {
      const answer = await fetch(this.parts.url, {
        method: 'POST',
        redirect: 'manual',
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      await answer.body?.cancel();
      if (!answer.ok) this.failed(`it answered ${answer.status}`);
    } catch (error) {
      // Not the error itself: it names the address.
      this.failed(`it could not be reached (${codeOf(error) ?? (error as Error).name})`);
    }
  }

  private failed(how: string): void {
    this.failing.note(new Error(how));
    this.sentAt = -Infinity;
  }
}
