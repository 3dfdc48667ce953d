import { Queue, Worker } from 'bullmq';

import { ArmBatcher } from './arm-batcher';
import type { ErrorGate } from './error-gate';
import type { JobQueue, JobWorker, TimerStore, WakeJob } from './timer-store';
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

/** What a dead process held is free again after the lock has run out, at the second look of a stalled check: <= 10 s. */
const LOCK_MS = 5_000;
const STALLED_CHECK_MS = 2_500;
/** BullMQ's own default after a refused connection is 15 s; a wake-up would be that late after a restart of the store. */
const RETRY_MS = 250;
const LOOP_LOST_AFTER_MS = 30_000;
const LAST_INSTANT = 8.64e15;

export interface WakeQueueParts {
  store: TimerStore;
  logger: TimersLogger;
  clock: TimersClock;
  errors: ErrorGate;
}

/** Of the 2 s in which everything must be closed, how long running wakes may take to end; the rest is for the cut. */
const WAKES_END_WITHIN_MS = 1_300;
/** What was claimed and has not begun goes back to the others. */
const GIVE_BACK_WITHIN_MS = 250;

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
  private worker: JobWorker | undefined;
  /** Ends when the worker's loop has ended, its jobs and their completions with it. */
  private running: Promise<void> | undefined;
  private startedAtMs = 0;
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
      { connection: store.connection, streams: { events: { maxLen: 100 } } },
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
    try {
      await this.parts.store.disarm(this.queue, [...new Set(ids)].sort());
    } catch (error) {
      throw this.unavailable('the timers could not be cancelled', error);
    }
  }

  async start(onWake: (id: string) => Promise<void>, options: StartOptions): Promise<void> {
    if (this.worker) throw new Error(`the timers of ${this.name} are already started`);
    if (this.closing) throw new TimersUnavailable('the timers are closed');
    const { store, clock } = this.parts;
    this.startedAtMs = clock.monotonic();
    const worker: JobWorker = new Worker(
      this.name,
      (job: WakeJob) => this.wake(onWake, job),
      {
        connection: store.connection,
        concurrency: options.concurrency,
        autorun: false,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_CHECK_MS,
        // The default drops a job that stalled twice; a wake-up is dropped only after it was tried.
        maxStalledCount: 1_000_000,
        runRetryDelay: RETRY_MS,
        drainDelay: 5,
      },
      store.backendFactory,
    );
    worker.on('error', (error) => this.storeFailed('the store behind the timers failed', error));
    worker.on('failed', (_job, error) => this.storeFailed('a wake-up was dropped', error));
    worker.on('stalled', () => (this.totals.stalled += 1));
    this.worker = worker;
    this.running = this.keepRunning(worker);
  }

  async missing(): Promise<string | null> {
    if (this.closing) return `the timers of ${this.name} are closed`;
    if (!this.worker) return `the timers of ${this.name} are not started`;
    const { store, clock } = this.parts;
    const storeMissing = await store.missing(this.queue);
    if (storeMissing) return storeMissing;
    const agoMs = store.lastLookAgoMs(this.name) ?? 0;
    // The look before the start counts as one, or a store that was away from the beginning would blame the loop.
    const quietMs = Math.min(agoMs, clock.monotonic() - this.startedAtMs);
    if (!this.worker.isRunning() && quietMs > RETRY_MS * 4)
      return `the worker of the ${this.name} timers is not running`;
    if (quietMs > LOOP_LOST_AFTER_MS) {
      return `the worker of the ${this.name} timers has not looked for due ones for ${Math.round(quietMs / 1000)} s`;
    }
    return null;
  }

  async armedCount(): Promise<number> {
    try {
      return await this.queue.getDelayedCount();
    } catch (error) {
      throw this.unavailable('the timers could not be counted', error);
    }
  }

  counts(): Readonly<WakeCounts> {
    return { ...this.totals };
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    await within(WAKES_END_WITHIN_MS, this.drain());
    this.closed = true;
    await within(GIVE_BACK_WITHIN_MS, Promise.allSettled([this.worker?.close(true), this.queue.close()]));
  }

  /** BullMQ's own close waits for running jobs without a limit and keeps its timers until then; so: stop, wait, close. */
  private async drain(): Promise<void> {
    await this.worker?.pause(true);
    await this.worker?.getBackend().disconnectBlocking();
    await this.running;
    await this.batcher.idle();
  }

  private assertOpen(): void {
    if (this.closed) throw new TimersUnavailable('the timers are closed');
  }

  private async arm(entries: WakeEntry[]): Promise<void> {
    try {
      const armed = await this.parts.store.arm(this.queue, entries, this.parts.clock.now());
      this.totals.moved += armed.moved;
      this.totals.added += armed.added;
      this.totals.doubled += armed.doubled;
    } catch (error) {
      throw this.unavailable('timers could not be armed', error);
    }
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

  /** BullMQ's main loop handles its own errors; should it end all the same, nobody would ever be woken again. */
  private async keepRunning(worker: JobWorker): Promise<void> {
    while (!this.closing) {
      try {
        await worker.run();
      } catch (error) {
        this.storeFailed('the loop of the timers ended and is started again', error);
      }
      if (!this.closing) await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
    }
  }

  private storeFailed(event: string, error: unknown): void {
    this.totals.storeErrors += 1;
    if (!this.closing) this.parts.errors.report(event, error, { queue: this.name });
  }

  private unavailable(message: string, cause: unknown): TimersUnavailable {
    this.totals.storeErrors += 1;
    return new TimersUnavailable(message, { cause });
  }
}

async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise((resolve) => (timer = setTimeout(resolve, limitMs)))]);
  clearTimeout(timer);
}

function assertUsable({ id, at }: WakeEntry): void {
  if (typeof id !== 'string' || id.length === 0 || id.length > 200 || id.includes(':') || /^-?\d+$/.test(id)) {
    throw new RangeError('an id of a wake-up has 1-200 characters, no colon, and is not an integer');
  }
  if (!Number.isSafeInteger(at) || at < 0 || at > LAST_INSTANT) {
    throw new RangeError('a wake-up is armed at an instant in whole epoch ms');
  }
}
