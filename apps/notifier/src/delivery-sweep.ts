import type { Clock, Logger } from '@flatline/service-kernel';
import type { WakeQueue } from '@flatline/timers';
import type { Claimant } from './claimant';
import type { QueuedDelivery } from './delivery-lanes';
import type { DeliveryStore, DueNotification } from './delivery-store';
import type { Backlog } from './notifier-metrics';

export interface DeliverySweepParts {
  readonly store: Pick<DeliveryStore, 'freeClaimsOfTheDead' | 'due' | 'backlog'>;
  readonly claimant: Pick<Claimant, 'proveAlive'>;
  readonly queue: Pick<WakeQueue, 'wakeAt'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** These are due. */
  readonly offer: (due: readonly QueuedDelivery[]) => void;
}

const EVERY_MS = 30_000;
const PAGE_ROWS = 1_000;
/** Without a sweep for this long nobody would find what the timers forgot. */
const READY_WITHIN_MS = 90_000;

/**
 * Finds what the timers forgot and what a dead process left behind, at the start, every 30 s and when there is room
 * again: claims of the dead are freed, everything that is due is offered, page by page without a cap, and what falls due
 * before the next sweep is armed anew. It needs neither Redis nor BullMQ to deliver.
 */
export class DeliverySweep {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | null = null;
  private succeededAt: number;
  private stopped = false;
  private lastBacklog: { readonly count: number; readonly oldestAt: number | null } = { count: 0, oldestAt: null };

  constructor(private readonly parts: DeliverySweepParts) {
    this.succeededAt = parts.clock.monotonic();
  }

  /** Resolves after the first sweep. */
  start(): Promise<void> {
    this.timer = setInterval(() => void this.sweep(), EVERY_MS);
    return this.sweep();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.running;
  }

  /** One sweep; a call meanwhile joins it. Never rejects. */
  sweep(): Promise<void> {
    this.running ??= this.run()
      .catch((error: unknown) => {
        if (!this.stopped) this.parts.logger.warn({ err: error }, 'a delivery sweep failed; the next one tries again');
      })
      .finally(() => (this.running = null));
    return this.running;
  }

  get backlog(): Backlog {
    const { count, oldestAt } = this.lastBacklog;
    return { count, oldestSeconds: oldestAt === null ? 0 : Math.max(0, this.parts.clock.now() - oldestAt) / 1_000 };
  }

  missing(): string | null {
    const quietMs = this.parts.clock.monotonic() - this.succeededAt;
    if (quietMs <= READY_WITHIN_MS) return null;
    return `no delivery sweep has succeeded for ${Math.round(quietMs / 1_000)} s`;
  }

  private async run(): Promise<void> {
    const { store, claimant, clock, logger, offer } = this.parts;
    await claimant.proveAlive();
    const now = clock.now();
    const freed = await store.freeClaimsOfTheDead(now);
    if (freed > 0) logger.warn({ count: freed }, 'deliveries of a process that died are made again');
    let last: DueNotification | null = null;
    while (!this.stopped) {
      const page: DueNotification[] = await store.due(now + EVERY_MS, last, PAGE_ROWS);
      offer(page.filter(({ dueAt }) => dueAt <= now));
      await this.arm(page.filter(({ dueAt }) => dueAt > now));
      last = page.at(-1) ?? null;
      if (page.length < PAGE_ROWS) break;
    }
    this.lastBacklog = await store.backlog();
    this.succeededAt = clock.monotonic();
  }

  private async arm(upcoming: readonly DueNotification[]): Promise<void> {
    if (upcoming.length === 0) return;
    try {
      await this.parts.queue.wakeAt(upcoming.map(({ id, dueAt }) => ({ id, at: dueAt })));
    } catch (error) {
      this.parts.logger.warn({ err: error }, 'the timers took no order; the sweep finds what they forget');
    }
  }
}
