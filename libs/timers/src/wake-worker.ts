import { Worker } from 'bullmq';

import type { JobWorker, TimerStore, WakeJob } from './timer-store';
import type { StartOptions, TimersClock, WakeQueueName } from './wake-queue';
import { within } from './within';

/** What a dead process held is free again after the lock has run out, at the second look of a stalled check: <= 10 s. */
const LOCK_MS = 5_000;
const STALLED_CHECK_MS = 2_500;
/** BullMQ's own default after a refused connection is 15 s; a wake-up would be that late after a restart of the store. */
const RETRY_MS = 250;
const LOOP_LOST_AFTER_MS = 30_000;

/** Of the 2 s in which everything must be closed, how long running wakes may take to end; the rest is for the cut. */
const WAKES_END_WITHIN_MS = 1_100;
/** What was claimed and has not begun goes back to the others. */
const GIVE_BACK_WITHIN_MS = 250;

export interface WakeWorkerParts {
  readonly store: TimerStore;
  readonly clock: TimersClock;
  readonly onWake: (job: WakeJob) => Promise<void>;
  readonly onStalled: () => void;
  /** @param event a fixed sentence */
  readonly onError: (event: string, error: unknown) => void;
}

/** One spell of waking from one queue: from its construction to `stop`. */
export class WakeWorker {
  private readonly worker: JobWorker;
  /** Ends when the worker's loop has ended, its jobs and their completions with it. */
  private readonly running: Promise<void>;
  private readonly startedAtMs: number;
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly name: WakeQueueName,
    private readonly parts: WakeWorkerParts,
    { concurrency }: StartOptions,
  ) {
    const { store, clock, onWake, onStalled, onError } = parts;
    this.startedAtMs = clock.monotonic();
    this.worker = new Worker(
      name,
      onWake,
      {
        connection: store.connection,
        concurrency,
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
    this.worker.on('error', (error) => onError('the store behind the timers failed', error));
    this.worker.on('failed', (_job, error) => onError('a wake-up was dropped', error));
    this.worker.on('stalled', onStalled);
    this.running = this.keepRunning();
  }

  /** What is wrong with the loop, as a sentence, or null. */
  missing(): string | null {
    const { store, clock } = this.parts;
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

  get isStopping(): boolean {
    return this.stopping !== undefined;
  }

  /** Lets running wakes end, gives back what has not begun. Ends within 1.4 s. Never rejects. */
  stop(): Promise<void> {
    return (this.stopping ??= this.end());
  }

  private async end(): Promise<void> {
    await Promise.allSettled([within(WAKES_END_WITHIN_MS, this.drain())]);
    await Promise.allSettled([within(GIVE_BACK_WITHIN_MS, this.worker.close(true))]);
  }

  /** BullMQ's own close waits for running jobs without a limit and keeps its timers until then; so: stop, wait, close. */
  private async drain(): Promise<void> {
    await this.worker.pause(true);
    await this.worker.getBackend().disconnectBlocking();
    await this.running;
  }

  /** BullMQ's main loop handles its own errors; should it end all the same, nobody would ever be woken again. */
  private async keepRunning(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.worker.run();
      } catch (error) {
        this.parts.onError('the loop of the timers ended and is started again', error);
      }
      if (!this.stopping) await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
    }
  }
}
