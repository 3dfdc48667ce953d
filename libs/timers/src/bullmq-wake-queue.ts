import { randomUUID } from 'node:crypto';

import { Queue } from 'bullmq';

import { ArmBatcher, inBatches } from './arm-batcher';
import type { ErrorGate } from './error-gate';
import { keepFewEvents, type JobQueue, type TimerStore, type WakeJob } from './timer-store';
import { TimersUnavailable } from './wake-queue';
import type {
  StartOptions,
  TimersClock,
  TimersLogger,
  WakeCounts,
  WakeEntry,
  WakeQueue,
  WakeQueueName,
} from './wake-queue';
import { WakeWorker } from './wake-worker';
import { within } from './within';

const LAST_INSTANT = 8.64e15;
/** What running wakes armed at the very end is on its way to the store for so long at most. */
const ARMS_END_WITHIN_MS = 250;

export interface WakeQueueParts {
  store: TimerStore;
  logger: TimersLogger;
  clock: TimersClock;
  errors: ErrorGate;
}

/** The wake-ups of one name as delayed BullMQ jobs: job id = id, removed when done or failed. */
export class BullmqWakeQueue implements WakeQueue {
  private readonly queue: JobQueue;
  private readonly batcher: ArmBatcher;
  private readonly totals: WakeCounts = {
    moved: 0,
    added: 0,
    doubled: 0,
    woken: 0,
    wakesFailed: 0,
    stalled: 0,
    storeErrors: 0,
  };
  private worker: WakeWorker | undefined;
  private closing: Promise<void> | undefined;
  /** Running wakes may still arm while the queue is closing, so that is allowed until they have ended. */
  private closed = false;

  constructor(
    readonly name: WakeQueueName,
    private readonly parts: WakeQueueParts,
  ) {
    const { store } = parts;
    this.queue = new Queue(
      name,
      { connection: store.connection, streams: { events: { maxLen: keepFewEvents['opts.maxLenEvents'] } } },
      store.backendFactory,
    );
    this.queue.on('error', (error) => this.storeFailed('the store behind the timers failed', error));
    this.batcher = new ArmBatcher((entries) => this.arm(entries));
  }

  async wakeAt(entries: readonly WakeEntry[]): Promise<void> {
    for (const entry of entries) assertUsable(entry);
    this.assertOpen();
    await this.batcher.add(entries);
  }

  async cancel(ids: readonly string[]): Promise<void> {
    this.assertOpen();
    if (ids.length === 0) return;
    await this.ask('the timers could not be cancelled', (store) => store.disarm(this.queue, [...new Set(ids)].sort()));
  }

  async isIntact(scope: string): Promise<boolean> {
    this.assertOpen();
    const mark = await this.ask('the timers could not be looked at', (store) => store.mark(this.queue));
    return mark === intact(scope);
  }

  async restore(scope: string, pages: AsyncIterable<readonly WakeEntry[]>): Promise<boolean> {
    // A mark of this very attempt: should everything be lost again before its end, the mark is lost with it.
    const begun = `restoring ${scope} ${randomUUID()}`;
    await this.mark(begun);
    for await (const page of pages) {
      for (const entry of page) assertUsable(entry);
      this.assertOpen();
      await Promise.all(inBatches(page).map((batch) => this.addAbsent(batch)));
    }
    return this.mark(intact(scope), begun);
  }

  async start(onWake: (id: string) => Promise<void>, options: StartOptions): Promise<void> {
    if (this.closing) throw new TimersUnavailable('the timers are closed');
    if (this.worker) throw new Error(`the timers of ${this.name} are already started`);
    const { store, clock } = this.parts;
    this.worker = new WakeWorker(
      this.name,
      {
        store,
        clock,
        onWake: (job) => this.wake(onWake, job),
        onStalled: () => (this.totals.stalled += 1),
        onError: (event, error) => this.storeFailed(event, error),
      },
      options,
    );
  }

  async stop(): Promise<void> {
    const { worker } = this;
    await worker?.stop();
    if (this.worker === worker) this.worker = undefined;
  }

  async missing(): Promise<string | null> {
    if (this.closing) return `the timers of ${this.name} are closed`;
    if (!this.worker) return `the timers of ${this.name} are not started`;
    return (await this.parts.store.missing()) ?? this.worker?.missing() ?? null;
  }

  armedCount(): Promise<number> {
    return this.ask('the timers could not be counted', () => this.queue.getDelayedCount());
  }

  counts(): Readonly<WakeCounts> {
    return { ...this.totals };
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    await this.stop();
    await within(ARMS_END_WITHIN_MS, this.batcher.idle());
    this.closed = true;
    await Promise.allSettled([within(ARMS_END_WITHIN_MS, this.queue.close())]);
  }

  private assertOpen(): void {
    if (this.closed) throw new TimersUnavailable('the timers are closed');
  }

  private async arm(entries: WakeEntry[]): Promise<void> {
    const armed = await this.ask('timers could not be armed', (store) =>
      store.arm(this.queue, entries, this.parts.clock.now()),
    );
    this.totals.moved += armed.moved;
    this.totals.added += armed.added;
    this.totals.doubled += armed.doubled;
  }

  private async addAbsent(entries: readonly WakeEntry[]): Promise<void> {
    this.totals.added += await this.ask('timers could not be restored', (store) =>
      store.addAbsent(this.queue, entries, this.parts.clock.now()),
    );
  }

  private mark(mark: string, expected?: string): Promise<boolean> {
    this.assertOpen();
    return this.ask('timers could not be restored', (store) => store.setMark(this.queue, mark, expected));
  }

  private async wake(onWake: (id: string) => Promise<void>, job: WakeJob): Promise<void> {
    const id = job.data.id ?? String(job.id);
    try {
      await onWake(id);
      this.totals.woken += 1;
    } catch (error) {
      this.totals.wakesFailed += 1;
      this.parts.errors.report('a wake-up failed and was dropped; the sweep will find what it was for', error, {
        queue: this.name,
        id,
      });
    }
  }

  private storeFailed(event: string, error: unknown): void {
    this.totals.storeErrors += 1;
    if (!this.closing && !this.worker?.isStopping) this.parts.errors.report(event, error, { queue: this.name });
  }

  private async ask<R>(refusal: string, question: (store: TimerStore) => Promise<R>): Promise<R> {
    try {
      return await question(this.parts.store);
    } catch (error) {
      this.totals.storeErrors += 1;
      throw new TimersUnavailable(refusal, { cause: error });
    }
  }
}

function intact(scope: string): string {
  return `intact ${scope}`;
}

function assertUsable({ id, at }: WakeEntry): void {
  if (typeof id !== 'string' || id.length === 0 || id.length > 200 || id.includes(':') || /^-?\d+$/.test(id)) {
    throw new RangeError('an id of a wake-up has 1-200 characters, no colon, and is not an integer');
  }
  if (!Number.isSafeInteger(at) || at < 0 || at > LAST_INSTANT) {
    throw new RangeError('a wake-up is armed at an instant in whole epoch ms');
  }
}
