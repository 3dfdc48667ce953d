import type { ConsumeOptions, LogSubscription, LogTrouble, LogWriter, PartitionProgress } from '../event-log';
import { lockKey } from './log-session';
import type { LogSession } from './log-session';
import { PartitionWorker } from '../partition-worker';
import { RecordFetcher } from './record-fetcher';
import type { SharedConnection } from './shared-connection';
import type { Topic } from './topic-catalog';

/** How often partitions are shared out anew, which bounds how long one is without an owner. */
const SHARE_EVERY_MS = 1_000;
/** Progress is told to the log every so many rounds of sharing. */
const PROGRESS_EVERY_ROUNDS = 5;

export interface SubscriptionDependencies {
  readonly shared: SharedConnection;
  readonly session: LogSession;
  readonly logger: LogWriter;
  readonly monotonic: () => number;
  readonly closed: (subscription: PostgresSubscription) => void;
}

/**
 * Ownership of a partition is a session advisory lock: the server gives it to one session at a time and frees it the
 * moment that session ends. When the session is lost no further batch begins here; the one in hand may still run when
 * another member starts, which is why handlers store their position in their own transaction.
 */
export class PostgresSubscription implements LogSubscription {
  private readonly workers = new Map<number, PartitionWorker>();
  /** Workers told to stop whose last batch still runs. Their partitions are not claimed again before that. */
  private readonly retiring = new Map<number, Promise<void>>();
  private readonly untold = new Map<number, number>();
  private readonly fetcher: RecordFetcher;
  private timer: NodeJS.Timeout | null = null;
  private round: Promise<void> = Promise.resolve();
  private rounds = 0;
  private joined = false;
  private closing: Promise<void> | null = null;

  constructor(
    private readonly topic: Topic,
    private readonly options: ConsumeOptions,
    private readonly dependencies: SubscriptionDependencies,
  ) {
    this.fetcher = new RecordFetcher(dependencies.shared, topic);
  }

  get topicId(): number {
    return this.topic.id;
  }

  isFor(topic: string, group: string): boolean {
    return this.topic.name === topic && this.options.group === group;
  }

  /** Registers the group, so that nothing it has not read is dropped, and begins. */
  async start(): Promise<void> {
    await this.dependencies.shared.query(
      `INSERT INTO flatline_log.log_consumer (group_name, topic_id, partition, next_offset)
       SELECT $1, $2, p, 0 FROM generate_series(0, $3 - 1) AS p ON CONFLICT DO NOTHING`,
      [this.options.group, this.topic.id, this.topic.partitions],
    );
    this.shareSoon(0);
  }

  progress(): PartitionProgress[] {
    const progress = [...this.workers.values()].map((worker) => worker.progress());
    return progress.sort((a, b) => a.partition - b.partition);
  }

  troubles(): LogTrouble[] {
    return [...this.workers.values()].map((worker) => worker.trouble()).filter((trouble) => trouble !== null);
  }

  get idle(): boolean {
    return [...this.workers.values()].some((worker) => worker.idleAt !== null);
  }

  /** New records were announced for these partitions; null means for any. */
  wake(partitions: readonly number[] | null): void {
    if (partitions) for (const partition of partitions) this.workers.get(partition)?.wake();
    else for (const worker of this.workers.values()) worker.wake();
  }

  /**
   * What polling found: wakes the partition when it waits anywhere else than at its end. Answers what its worker says
   * when it does not advance any more.
   */
  polled(partition: number, end: number): string | null {
    const worker = this.workers.get(partition);
    if (!worker) return null;
    if (worker.idleAt !== null && worker.idleAt !== end) worker.wake();
    return worker.audit(end);
  }

  /** Every lock is gone: nothing begins any more until it is won again. */
  sessionLost(): void {
    this.joined = false;
    for (const partition of [...this.workers.keys()]) void this.retire(partition);
  }

  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  private async closeNow(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    // Stop first: a round that is running must not delay it.
    const retired = [...this.workers.keys()].map((partition) => this.retire(partition));
    await this.round;
    await Promise.all([...retired, ...this.retiring.values(), ...[...this.workers.keys()].map((p) => this.retire(p))]);
    await this.tellProgress();
    await this.leave();
    this.dependencies.closed(this);
  }

  private async leave(): Promise<void> {
    if (!this.joined || !this.dependencies.session.connected) return;
    this.joined = false;
    try {
      await this.unlock(Array.from({ length: this.topic.partitions }, (_, partition) => partition));
      await this.dependencies.session.query('SELECT pg_advisory_unlock_shared($1)', [this.memberKey()]);
    } catch (error) {
      this.warn(error, 'partitions could not be given up; they are free once the session ends');
    }
  }

  private shareSoon(ms: number): void {
    this.timer = setTimeout(() => {
      this.round = this.share()
        .catch((error: unknown) => this.warn(error, 'partitions could not be shared out; trying again'))
        .finally(() => {
          if (!this.closing) this.shareSoon(SHARE_EVERY_MS);
        });
    }, ms);
  }

  /** One round: 1. join, 2. claim up to the fair share, 3. give up what is above it, 4. tell progress. */
  private async share(): Promise<void> {
    const { session } = this.dependencies;
    const { generation } = session;
    if (generation === 0) return;
    if (!this.joined) {
      await session.query('SELECT pg_advisory_lock_shared($1)', [this.memberKey()]);
      if (session.generation !== generation) return;
      this.joined = true;
    }
    const free: number[] = [];
    for (let partition = 0; partition < this.topic.partitions; partition++) {
      if (!this.workers.has(partition) && !this.retiring.has(partition)) free.push(partition);
    }
    const owned = this.workers.size + this.retiring.size;
    const rows = await session.query(
      'SELECT flatline_log.claim($1, $2, $3, $4)',
      [this.memberKey(), free.map((partition) => this.partitionKey(partition)), this.topic.partitions, owned],
      'claim',
    );
    // The answer and the end of the session may arrive together: then nothing was won.
    if (session.generation !== generation) return;
    const [allowance = 0, ...won] = rows[0]?.[0] as number[];
    const partitions = won.map((index) => free[index] as number);
    if (this.closing) return; // leaving unlocks them all
    for (const partition of partitions) this.assign(partition);
    if (partitions.length > 0) this.log('partitions assigned', partitions);
    const surplus = [...this.workers.keys()].sort((a, b) => a - b).slice(allowance);
    for (const partition of surplus) void this.handOver(partition);
    this.rounds += 1;
    if (this.rounds % PROGRESS_EVERY_ROUNDS === 0) await this.tellProgress();
  }

  private assign(partition: number): void {
    const { topic, options, dependencies, fetcher } = this;
    const worker = new PartitionWorker({
      topic: topic.name,
      partition,
      maxRecords: options.maxRecords,
      minBatchIntervalMs: options.minBatchIntervalMs ?? 0,
      handler: options.handler,
      fetch: (wanted, position) => fetcher.fetch(wanted, position),
      passed: (told, position) => this.untold.set(told, position),
      logger: dependencies.logger,
      monotonic: dependencies.monotonic,
    });
    this.workers.set(partition, worker);
  }

  /** Ends the handling of a partition; resolves when its last batch is done and the handler knows. */
  private retire(partition: number): Promise<void> {
    const worker = this.workers.get(partition);
    if (!worker) return this.retiring.get(partition) ?? Promise.resolve();
    this.workers.delete(partition);
    const retired = worker
      .stop()
      .then(() => this.options.handler.revoked?.(partition))
      .catch((error: unknown) => this.warn(error, 'the handler failed when its partition was revoked'))
      .finally(() => this.retiring.delete(partition));
    this.retiring.set(partition, retired);
    return retired;
  }

  private async handOver(partition: number): Promise<void> {
    try {
      await this.retire(partition);
      await this.tellProgress();
      await this.unlock([partition]);
      this.log('partition handed over', [partition]);
    } catch (error) {
      this.warn(error, 'a partition could not be handed over');
    }
  }

  private async unlock(partitions: readonly number[]): Promise<void> {
    // Only what this session holds: giving up a lock one has not is a warning in the server's log.
    await this.dependencies.session.query(
      `SELECT pg_advisory_unlock(k) FROM unnest($1::bigint[]) AS k WHERE EXISTS (
         SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid = 1
         AND classid::bigint = (k >> 32) & 4294967295 AND objid::bigint = k & 4294967295)`,
      [partitions.map((partition) => this.partitionKey(partition))],
    );
  }

  private async tellProgress(): Promise<void> {
    if (this.untold.size === 0) return;
    const told = [...this.untold];
    try {
      await this.dependencies.shared.query(
        `UPDATE flatline_log.log_consumer c SET next_offset = t.position
         FROM unnest($3::int[], $4::bigint[]) AS t(partition, position)
         WHERE c.group_name = $1 AND c.topic_id = $2 AND c.partition = t.partition`,
        [this.options.group, this.topic.id, told.map(([partition]) => partition), told.map(([, position]) => position)],
      );
    } catch (error) {
      return this.warn(error, 'progress could not be told to the log; what was read is dropped later');
    }
    for (const [partition, position] of told) {
      if (this.untold.get(partition) === position) this.untold.delete(partition);
    }
  }

  private memberKey(): string {
    return lockKey('member', this.options.group, this.topic.name);
  }

  private partitionKey(partition: number): string {
    return lockKey('partition', this.options.group, this.topic.name, partition);
  }

  private log(message: string, partitions: readonly number[]): void {
    this.dependencies.logger.info({ topic: this.topic.name, group: this.options.group, partitions }, message);
  }

  private warn(error: unknown, message: string): void {
    this.dependencies.logger.warn({ err: error, topic: this.topic.name, group: this.options.group }, message);
  }
}
