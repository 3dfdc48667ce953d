import type { LogBounds, LogRecord } from '../event-log';
import type { Fetched } from '../partition-worker';
import { FETCH_BYTES } from './kafka-client';

/** Reading pauses when this much waits to be handled, and goes on below the other, in bytes of values. */
const FULL_BYTES = FETCH_BYTES.perPartition;
const LOW_BYTES = FULL_BYTES / 4;
/** A fetch of the worker ends at about this much, because it becomes one transaction. */
const BATCH_BYTES = 1_000_000;

export interface FeedDependencies {
  /** Deliver from this offset on; see KafkaReader. */
  readonly read: (offset: number) => void;
  readonly pause: () => void;
  /** What the log holds of this partition now. */
  readonly bounds: () => Promise<LogBounds>;
  /** There may be something to read, or something to say. */
  readonly wake: () => void;
}

/**
 * What lies between the group's reader, which pushes, and the worker of a partition, which asks: the records read ahead.
 *
 * A position is compared with the bounds of the log before it is read, always: Kafka's clients put a position outside
 * the log somewhere else by themselves, and nobody would ever know of the hole.
 */
export class PartitionFeed {
  /** Read ahead, contiguous, ending right before `cursor`. */
  private buffered: LogRecord[] = [];
  private bufferedBytes = 0;
  /** The offset that is delivered next; null while nothing is being read. */
  private cursor: number | null = null;
  private paused = false;
  /** The log ended here at the latest look. */
  private knownEnd = 0;
  private arrival: (() => void) | null = null;
  private stopped = false;
  /** Where the last audit found it waiting for something that should have come. */
  private suspect: number | null = null;

  constructor(private readonly dependencies: FeedDependencies) {}

  /**
   * The records from `position` on. `none` when the log ends there; when it is known to go on, waits for what comes.
   * @throws Error when the log does not tell its bounds
   */
  async fetch(position: number): Promise<Fetched> {
    while (!this.stopped) {
      if (this.buffered[0]?.offset === position) return { kind: 'records', records: this.take() };
      if (this.buffered.length > 0 || this.cursor !== position) {
        const outside = await this.moveTo(position);
        if (outside) return outside;
      }
      if (this.buffered.length > 0) continue;
      if (position >= this.knownEnd) return { kind: 'none' };
      await new Promise<void>((resolve) => (this.arrival = resolve));
      this.arrival = null;
    }
    return { kind: 'none' };
  }

  /** The reader delivered records that follow what it delivered before. */
  deliver(records: readonly LogRecord[]): void {
    const last = records.at(-1);
    if (this.cursor === null || !last) return;
    for (const record of records) {
      this.buffered.push(record);
      this.bufferedBytes += record.value.length;
    }
    this.cursor = last.offset + 1;
    if (this.bufferedBytes >= FULL_BYTES) {
      this.paused = true;
      this.dependencies.pause();
    }
    this.notify();
  }

  /** The reader could not read where it should: look again where the worker stands. */
  misplaced(): void {
    this.cursor = null;
    this.notify();
  }

  /** The group was balanced anew and this partition stayed: the reader forgot where it was. */
  resume(): void {
    if (this.cursor !== null && !this.paused) this.dependencies.read(this.cursor);
  }

  /**
   * Compares with what the log holds now, for a worker that waits at `idleAt` or, null, does not wait idly. True when
   * nothing came since the last look although the log goes on, or when it ends before: then it looks again by itself.
   */
  audit(idleAt: number | null, { end }: LogBounds): boolean {
    const waitsAt = idleAt ?? (this.arrival ? this.cursor : null);
    const suspect = waitsAt !== null && waitsAt === this.cursor && waitsAt !== end ? waitsAt : null;
    const confirmed = suspect !== null && suspect === this.suspect;
    this.suspect = suspect;
    if (confirmed) this.misplaced();
    return confirmed;
  }

  /** Ends a fetch that waits. */
  stop(): void {
    this.stopped = true;
    this.dependencies.pause();
    this.notify();
  }

  private notify(): void {
    this.arrival?.();
    this.dependencies.wake();
  }

  private async moveTo(position: number): Promise<Fetched | null> {
    this.buffered = [];
    this.bufferedBytes = 0;
    this.cursor = null;
    this.dependencies.pause();
    const { start, end } = await this.dependencies.bounds();
    if (this.stopped) return null;
    if (position < start || position > end) return { kind: 'out-of-range', start, end };
    this.knownEnd = end;
    this.cursor = position;
    this.paused = false;
    this.dependencies.read(position);
    return null;
  }

  /** At least one record, about BATCH_BYTES at most; reading goes on when little is left. */
  private take(): LogRecord[] {
    let bytes = 0;
    let count = 0;
    for (const record of this.buffered) {
      if (count > 0 && bytes + record.value.length > BATCH_BYTES) break;
      bytes += record.value.length;
      count += 1;
    }
    const taken = this.buffered.slice(0, count);
    this.buffered = this.buffered.slice(count);
    this.bufferedBytes -= bytes;
    if (this.paused && this.bufferedBytes <= LOW_BYTES && this.cursor !== null) {
      this.paused = false;
      this.dependencies.read(this.cursor);
    }
    return taken;
  }
}
