import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, settledWithin } from '@flatline/service-kernel';
import type { AlertNotice } from './alert-book';
import type { AlertTarget } from './alert-targets';

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;
/** What was raised just before the end of the process is given this long to go out. */
const LAST_WORDS_MS = 2_000;

/**
 * Brings notices to their targets, each as often as it takes, and keeps nobody waiting. For each target and condition
 * there is at most one under way: a newer one takes its place, because it says all that the older one said. So memory is
 * bounded however long nobody can be reached.
 */
export class AlertPost {
  private readonly underWay = new Map<string, { readonly cut: AbortController; readonly delivery: Promise<void> }>();

  constructor(
    private readonly targets: readonly AlertTarget[],
    private readonly logger: Logger,
    private readonly pause = (ms: number, signal: AbortSignal): Promise<unknown> => sleep(ms, undefined, { signal }),
  ) {}

  /** Returns at once. Never throws. */
  post(notice: AlertNotice): void {
    for (const target of this.targets) {
      const key = `${target.name} ${notice.condition}`;
      this.underWay.get(key)?.cut.abort();
      const cut = new AbortController();
      const delivery = this.deliver(target, notice, cut.signal).finally(() => {
        if (this.underWay.get(key)?.cut === cut) this.underWay.delete(key);
      });
      this.underWay.set(key, { cut, delivery });
    }
  }

  /** Lets what is under way end, for some seconds. Idempotent. */
  async close(): Promise<void> {
    await settledWithin(Promise.all([...this.underWay.values()].map(({ delivery }) => delivery)), LAST_WORDS_MS);
    for (const { cut } of this.underWay.values()) cut.abort();
    await Promise.all(this.targets.map((target) => target.close()));
  }

  private async deliver(target: AlertTarget, notice: AlertNotice, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      const { outcome, reason } = await target.send(notice, signal);
      if (outcome === 'delivered' || signal.aborted) return;
      const fields = { condition: notice.condition, target: target.name, reason, attempt };
      if (outcome === 'permanent') return this.logger.error(fields, 'an operator alert was refused for good');
      if (attempt === 1) this.logger.warn(fields, 'an operator alert could not be delivered; trying again');
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
      await this.pause(pauseMs, signal).catch(() => undefined); // cut: a newer notice, or the end of the process
    }
  }
}
