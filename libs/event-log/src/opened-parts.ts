import { LogClosed } from './errors';
import type { LogProducer, LogSubscription, LogTrouble, LogWriter } from './event-log';

/** A subscription that knows what is wrong with its partitions. */
interface TroubledSubscription extends LogSubscription {
  troubles(): LogTrouble[];
}

export interface OpenedPartsOptions {
  readonly logger: LogWriter;
  /** See the options of the adapters. */
  readonly onFatal?: (error: Error) => void;
}

/** What an event log has opened for its process, what is wrong with it, and its end: the same for every adapter. */
export class OpenedParts<Subscription extends TroubledSubscription> {
  readonly producers = new Set<LogProducer>();
  readonly subscriptions = new Set<Subscription>();
  private isFatal = false;
  private closing: Promise<void> | null = null;

  constructor(private readonly options: OpenedPartsOptions) {}

  get isClosed(): boolean {
    return this.closing !== null;
  }

  /** @throws LogClosed */
  refuseWhenClosed(): void {
    if (this.isClosed) throw new LogClosed();
  }

  /** @param away why the log as a whole cannot be used, or null; then its subscriptions have nothing to add */
  troubles(away: string | null): LogTrouble[] {
    const sentence = this.isClosed ? 'the event log is closed' : away;
    if (sentence !== null) return [{ kind: 'away', sentence }];
    return [...this.subscriptions].flatMap((subscription) => subscription.troubles());
  }

  /** Says once that the process is to end. */
  fail(error: Error): void {
    this.options.logger.error({ err: error }, 'the event log cannot go on');
    if (!this.isFatal) this.options.onFatal?.(error);
    this.isFatal = true;
  }

  /**
   * Subscriptions, which wait for the batches in hand, then producers, then what the adapter has beside them. Idempotent.
   */
  close(rest: () => Promise<unknown>): Promise<void> {
    this.closing ??= this.closeNow(rest);
    return this.closing;
  }

  private async closeNow(rest: () => Promise<unknown>): Promise<void> {
    await Promise.all([...this.subscriptions].map((subscription) => subscription.close()));
    await Promise.all([...this.producers].map((producer) => producer.close()));
    await rest();
  }
}
