import type {
  ConsumeOptions,
  LogBounds,
  LogRecord,
  LogSubscription,
  LogTrouble,
  LogWriter,
  PartitionProgress,
} from '../event-log';
import { PartitionWorker } from '../partition-worker';
import { isOfGroupLife } from './kafka-client';
import type { KafkaClient, KafkaReader } from './kafka-client';
import { PartitionFeed } from './partition-feed';

const REOPEN_MIN_MS = 250;
const REOPEN_MAX_MS = 5_000;
const COMMIT_EVERY_MS = 5_000;
/** A process that is not in its group says so after this. */
const OUTSIDE_REPORTED_AFTER_MS = 15_000;

export interface SubscriptionDependencies {
  readonly client: KafkaClient;
  readonly logger: LogWriter;
  /** Monotonic, ms. */
  readonly monotonic: () => number;
  /** One look at the bounds of a topic, shared by those who ask at the same time. */
  readonly bounds: (topic: string) => Promise<LogBounds[]>;
  readonly closed: (subscription: KafkaSubscription) => void;
}

interface Assigned {
  readonly worker: PartitionWorker;
  readonly feed: PartitionFeed;
}

/**
 * One member of a consumer group, opened anew for as long as it takes. When the group takes a partition away no further
 * batch begins, but the one in hand may still run when another member starts: the group does not wait for handlers,
 * which is why they store their position in their own transaction.
 */
export class KafkaSubscription implements LogSubscription {
  private readonly assigned = new Map<number, Assigned>();
  /** Workers told to stop whose last batch still runs; a partition that comes back waits for that. */
  private readonly retiring = new Map<number, Promise<void>>();
  private owned: ReadonlySet<number> = new Set();
  private readonly uncommitted = new Map<number, number>();
  private reader: KafkaReader | null = null;
  private reopenTimer: NodeJS.Timeout | null = null;
  private reopenMs = REOPEN_MIN_MS;
  private lastError: unknown = null;
  private outsideSince: number | null;
  private committedAt: number;
  private closing: Promise<void> | null = null;

  constructor(
    readonly options: ConsumeOptions,
    private readonly dependencies: SubscriptionDependencies,
  ) {
    this.outsideSince = this.committedAt = dependencies.monotonic();
    this.open();
  }

  progress(): PartitionProgress[] {
    const progress = [...this.assigned.values()].map(({ worker }) => worker.progress());
    return progress.sort((a, b) => a.partition - b.partition);
  }

  troubles(): LogTrouble[] {
    const troubles = [...this.assigned.values()].map(({ worker }) => worker.trouble());
    const { topic, group } = this.options;
    const outsideMs = this.outsideMs();
    if (outsideMs > OUTSIDE_REPORTED_AFTER_MS) {
      const why = this.lastError instanceof Error ? `: ${this.lastError.message}` : '';
      const sentence = `group ${group} has not let this process read ${topic} for ${Math.round(outsideMs / 1000)} s${why}`;
      troubles.push({ kind: 'stopped', sentence });
    }
    return troubles.filter((trouble) => trouble !== null);
  }

  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  /**
   * Called now and then with what the log holds. Wakes partitions that overlooked something and tells the broker how
   * far the group is. Answers what the worker of a partition says that does not advance any more.
   */
  async audit(bounds: readonly LogBounds[]): Promise<string | null> {
    let stalled: string | null = null;
    for (const [partition, entry] of this.assigned) {
      const bound = bounds[partition];
      if (!bound) continue;
      if (entry.feed.audit(entry.worker.idleAt, bound)) {
        this.warn(
          new Error(`partition ${partition} had to be looked up again`),
          'records did not arrive by themselves',
        );
      }
      stalled = entry.worker.audit(bound.end) ?? stalled;
    }
    if (this.dependencies.monotonic() - this.committedAt > COMMIT_EVERY_MS) await this.tellProgress();
    return stalled;
  }

  private async closeNow(): Promise<void> {
    if (this.reopenTimer) clearTimeout(this.reopenTimer);
    await this.retireAll();
    await this.tellProgress();
    await this.reader?.close();
    this.reader = null;
    this.dependencies.closed(this);
  }

  private open(): void {
    const { topic, group, minBatchIntervalMs = 0 } = this.options;
    // A group at the broker reads one topic: kafkajs hands out the partitions of all its topics to every member.
    this.reader = this.dependencies.client.openReader(
      { topic, groupId: `${group}.${topic}`, restMs: minBatchIntervalMs },
      {
        assigned: (partitions) => this.onAssigned(partitions),
        records: (partition, records) => this.onRecords(partition, records),
        misplaced: (partition) => this.assigned.get(partition)?.feed.misplaced(),
        ended: (error) => this.onEnded(error),
      },
    );
  }

  private onRecords(partition: number, records: readonly LogRecord[]): void {
    const entry = this.assigned.get(partition);
    if (entry) entry.feed.deliver(records);
    else this.reader?.pause(partition);
  }

  private onAssigned(partitions: readonly number[]): void {
    if (this.closing) return;
    this.outsideSince = null;
    this.reopenMs = REOPEN_MIN_MS;
    this.owned = new Set(partitions);
    for (const partition of [...this.assigned.keys()]) if (!this.owned.has(partition)) void this.retire(partition);
    for (const { feed } of this.assigned.values()) feed.resume();
    for (const partition of partitions) this.take(partition);
    this.log('partitions assigned', partitions);
  }

  private onEnded(error: unknown): void {
    this.reader = null;
    this.owned = new Set();
    this.lastError = error;
    this.outsideSince ??= this.dependencies.monotonic();
    void this.retireAll();
    if (this.closing) return;
    this.tellEnd(error);
    this.reopenTimer = setTimeout(() => this.open(), this.reopenMs);
    this.reopenMs = Math.min(this.reopenMs * 2, REOPEN_MAX_MS);
  }

  private tellEnd(error: unknown): void {
    const isUsual = isOfGroupLife(error) && this.outsideMs() <= OUTSIDE_REPORTED_AFTER_MS;
    if (!isUsual) return this.warn(error, 'reading from Kafka ended; it begins anew');
    const { topic, group } = this.options;
    this.dependencies.logger.info({ topic, group, reason: (error as Error).message }, 'the group is not ready yet');
  }

  private outsideMs(): number {
    return this.outsideSince === null ? 0 : this.dependencies.monotonic() - this.outsideSince;
  }

  /** Begins to handle a partition, once its last batch of an earlier time has ended. */
  private take(partition: number): void {
    if (this.assigned.has(partition) || this.closing || !this.owned.has(partition)) return;
    const last = this.retiring.get(partition);
    if (last) void last.then(() => this.take(partition));
    else this.begin(partition);
  }

  private begin(partition: number): void {
    const { options, dependencies } = this;
    const feed = new PartitionFeed({
      read: (offset) => this.reader?.read(partition, offset),
      pause: () => this.reader?.pause(partition),
      bounds: () => this.boundsOf(partition),
      wake: () => this.assigned.get(partition)?.worker.wake(),
    });
    const worker = new PartitionWorker({
      topic: options.topic,
      partition,
      maxRecords: options.maxRecords,
      minBatchIntervalMs: options.minBatchIntervalMs ?? 0,
      handler: options.handler,
      fetch: (_partition, position) => feed.fetch(position),
      passed: (told, position) => this.uncommitted.set(told, position),
      logger: dependencies.logger,
      monotonic: dependencies.monotonic,
    });
    this.assigned.set(partition, { worker, feed });
  }

  private async boundsOf(partition: number): Promise<LogBounds> {
    const { topic } = this.options;
    const bounds = (await this.dependencies.bounds(topic))[partition];
    if (!bounds) throw new Error(`${topic} has no partition ${partition} any more`);
    return bounds;
  }

  /** Ends the handling of a partition; resolves when its last batch is done and the handler knows. */
  private retire(partition: number): Promise<void> {
    const entry = this.assigned.get(partition);
    if (!entry) return this.retiring.get(partition) ?? Promise.resolve();
    this.assigned.delete(partition);
    entry.feed.stop();
    const retired = entry.worker
      .stop()
      .then(() => this.options.handler.revoked?.(partition))
      .catch((error: unknown) => this.warn(error, 'the handler failed when its partition was revoked'))
      .finally(() => this.retiring.delete(partition));
    this.retiring.set(partition, retired);
    return retired;
  }

  private async retireAll(): Promise<void> {
    await Promise.all([...this.assigned.keys()].map((partition) => this.retire(partition)));
    await Promise.all(this.retiring.values());
  }

  private async tellProgress(): Promise<void> {
    this.committedAt = this.dependencies.monotonic();
    const told = new Map([...this.uncommitted].filter(([partition]) => this.owned.has(partition)));
    this.uncommitted.clear();
    if (told.size === 0 || !this.reader) return;
    try {
      await this.reader.commit(told);
    } catch (error) {
      this.warn(error, 'progress could not be told to Kafka; only what shows the lag is behind');
    }
  }

  private log(message: string, partitions: readonly number[]): void {
    this.dependencies.logger.info({ topic: this.options.topic, group: this.options.group, partitions }, message);
  }

  private warn(error: unknown, message: string): void {
    this.dependencies.logger.warn({ err: error, topic: this.options.topic, group: this.options.group }, message);
  }
}
