import { PositionMoved, PositionOutOfRange } from './errors';
import type { LogRecord, LogTrouble, LogWriter, PartitionHandler, PartitionProgress } from './event-log';

const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** A position that moves again and again (another owner at work) is asked for at this pace. */
const MOVED_PAUSE_MS = 100;
const OUT_OF_RANGE_RETRY_MS = 5_000;
const FAILING_REPORTED_AFTER_MS = 10_000;
const STUCK_REPORTED_AFTER_MS = 30_000;
/** Something to read and nobody advances: such a partition ends the process, so that another one takes it over. */
const STALLED_AFTER_MS = 60_000;

export type Fetched =
  | { readonly kind: 'records'; readonly records: LogRecord[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'out-of-range'; readonly start: number; readonly end: number };

export interface WorkerOptions {
  readonly topic: string;
  readonly partition: number;
  readonly maxRecords: number;
  readonly minBatchIntervalMs: number;
  readonly handler: PartitionHandler;
  readonly fetch: (partition: number, position: number) => Promise<Fetched>;
  /** Everything before `position` is done with, by the handler's word. */
  readonly passed: (partition: number, position: number) => void;
  readonly logger: LogWriter;
  /** Monotonic, ms. */
  readonly monotonic: () => number;
}

/**
 * Reads one assigned partition until it is stopped: asks the handler where to begin, hands over what there is, waits
 * for more. No error ends it (design: a consumer that stops silently is the worst of failures).
 */
export class PartitionWorker {
  private position: number | null = null;
  /** Fetched records not handled yet, `position` first. */
  private buffered: LogRecord[] = [];
  private failures = 0;
  private failingSince: number | null = null;
  private lastFailure = '';
  private outOfRange: PositionOutOfRange | null = null;
  private handlingSince: number | null = null;
  private lastBatchAt = -Infinity;
  private wakes = 0;
  private interrupt: (() => void) | null = null;
  private stopping = false;
  private waitingAt: number | null = null;
  /** The position at the latest audit, and since when it is that one. */
  private stoodAt: number | null = null;
  private standsSince: number;
  private readonly ended: Promise<void>;

  constructor(private readonly options: WorkerOptions) {
    this.standsSince = options.monotonic();
    this.ended = this.run();
  }

  /** The position it waits at with nothing left to read, or null while it is busy. */
  get idleAt(): number | null {
    return this.waitingAt;
  }

  /** There may be something to read. */
  wake(): void {
    this.wakes += 1;
    if (this.waitingAt !== null) this.interrupt?.();
  }

  /** No further call of the handler begins; resolves when the one that runs has ended. Idempotent. */
  stop(): Promise<void> {
    this.stopping = true;
    this.interrupt?.();
    return this.ended;
  }

  progress(): PartitionProgress {
    const state = this.outOfRange ? 'out-of-range' : this.failures > 0 ? 'failing' : 'reading';
    return { partition: this.options.partition, state, position: this.position };
  }

  /** What is wrong for longer than it may be, or null. */
  trouble(): LogTrouble | null {
    if (this.outOfRange) return { kind: 'outside', sentence: this.outOfRange.message };
    const sentence = this.stopped();
    return sentence === null ? null : { kind: 'stopped', sentence };
  }

  /**
   * Told now and then where the log ends. Answers a sentence when the position has stood for a minute although there is
   * something to read and the handler does not say that it fails: nothing in this process will mend that.
   */
  audit(end: number): string | null {
    const { topic, partition, monotonic } = this.options;
    const { position, state } = this.progress();
    const now = monotonic();
    if (position !== this.stoodAt || position === end || state !== 'reading') {
      this.stoodAt = position;
      this.standsSince = now;
      return null;
    }
    if (now - this.standsSince <= STALLED_AFTER_MS) return null;
    return `${topic}, partition ${partition}, has stood at ${position} of ${end} for a minute`;
  }

  private stopped(): string | null {
    const { topic, partition, monotonic } = this.options;
    const failingMs = this.failingSince === null ? 0 : monotonic() - this.failingSince;
    if (failingMs > FAILING_REPORTED_AFTER_MS) {
      return `${topic}, partition ${partition}, has failed for ${Math.round(failingMs / 1000)} s: ${this.lastFailure}`;
    }
    const handlingMs = this.handlingSince === null ? 0 : monotonic() - this.handlingSince;
    if (handlingMs > STUCK_REPORTED_AFTER_MS) {
      return `${topic}, partition ${partition}, has been in one batch for ${Math.round(handlingMs / 1000)} s`;
    }
    return null;
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.step();
      } catch (error) {
        await this.recover(error);
      }
    }
  }

  private async step(): Promise<void> {
    const { partition, handler, fetch, passed } = this.options;
    if (this.position === null) {
      const position = await handler.position(partition);
      if (!Number.isSafeInteger(position)) throw new RangeError(`not an offset: ${position}`);
      this.position = position;
      this.buffered = [];
      passed(partition, position);
    }
    if (this.buffered.length === 0) {
      const wakes = this.wakes;
      const fetched = await fetch(partition, this.position);
      if (fetched.kind === 'out-of-range') return this.standStill(this.position, fetched.start, fetched.end);
      this.outOfRange = null;
      if (fetched.kind === 'none') return this.idle(this.position, wakes);
      this.buffered = fetched.records;
    }
    await this.pace();
    if (!this.stopping) await this.handOver(this.position);
  }

  private async handOver(position: number): Promise<void> {
    const { partition, maxRecords, handler, passed, monotonic } = this.options;
    const batch = this.buffered.length <= maxRecords ? this.buffered : this.buffered.slice(0, maxRecords);
    this.lastBatchAt = this.handlingSince = monotonic();
    try {
      await handler.handle(partition, batch);
    } finally {
      this.handlingSince = null;
    }
    this.position = position + batch.length;
    this.buffered = batch === this.buffered ? [] : this.buffered.slice(batch.length);
    this.healed();
    passed(partition, this.position);
  }

  private async idle(position: number, wakes: number): Promise<void> {
    this.healed();
    if (wakes !== this.wakes) return;
    this.waitingAt = position;
    await this.pause(null);
    this.waitingAt = null;
  }

  private async standStill(position: number, start: number, end: number): Promise<void> {
    const { topic, partition, handler, logger } = this.options;
    this.position = null;
    if (!this.outOfRange) {
      const error = new PositionOutOfRange(topic, partition, position, start, end);
      await handler.outOfRange?.(partition, error); // until it could take note
      this.outOfRange = error;
      const whatToDo = 'nothing is read there until an operator adopts the log with dist/apps/adopt-log/main.js';
      logger.error({ topic, partition, position, start, end }, `${error.message}; ${whatToDo}`);
    }
    await this.pause(OUT_OF_RANGE_RETRY_MS);
  }

  private async recover(error: unknown): Promise<void> {
    const { topic, partition, logger, monotonic } = this.options;
    const position = this.position;
    this.position = null;
    this.buffered = [];
    if (error instanceof PositionMoved) {
      logger.info({ topic, partition, position }, 'the stored position is another one; reading goes on there');
      if (this.failures > 0) await this.pause(MOVED_PAUSE_MS);
      this.failures += 1;
      return;
    }
    this.failures += 1;
    this.failingSince ??= monotonic();
    this.lastFailure = error instanceof Error ? error.message : String(error);
    const backoffMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.failures - 1, 10));
    logger.error({ err: error, topic, partition, position, failures: this.failures, backoffMs }, 'a batch failed');
    await this.pause(backoffMs);
  }

  private healed(): void {
    this.failures = 0;
    this.failingSince = null;
  }

  private async pace(): Promise<void> {
    const waitMs = this.lastBatchAt + this.options.minBatchIntervalMs - this.options.monotonic();
    if (waitMs >= 1) await this.pause(waitMs);
  }

  /** Until interrupted, or for so many ms. */
  private async pause(ms: number | null): Promise<void> {
    if (this.stopping) return;
    await new Promise<void>((resolve) => {
      const timer = ms === null ? null : setTimeout(resolve, ms);
      this.interrupt = () => {
        if (timer) clearTimeout(timer);
        resolve();
      };
    });
    this.interrupt = null;
  }
}
