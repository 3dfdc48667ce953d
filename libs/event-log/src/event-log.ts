import type { PositionOutOfRange } from './errors';

/** A topic to create. `partitions` is fixed for the life of the topic: growing means a new topic generation. */
export interface LogTopicSpec {
  readonly name: string;
  /** 1 .. 1024; records name their partition, 0-based. */
  readonly partitions: number;
  /**
   * Least time a record is kept after it was appended, in ms; -1 keeps for ever. On Postgres records that a group has not
   * passed are kept longer. On Kafka they are not: a group that stays behind for this long loses records, and its
   * partitions stand still (see `PartitionHandler.outOfRange`) instead of leaving them out unseen.
   */
  readonly retentionMs: number;
}

export interface OutgoingRecord {
  /** Chosen by the caller (`shardOf` of the domain library), so that no client's default partitioner matters. */
  readonly partition: number;
  readonly key: string;
  /** Kept byte-exact. Key, value and headers have at most 1,000,000 bytes together. */
  readonly value: Buffer;
  /** Names are letters, digits and dashes, as in `traceparent`. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  /** Position in the partition: 0, 1, 2, ... without holes a reader could see, in the order of the commits. */
  readonly offset: number;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The log's own clock at the append, epoch ms. Not smaller than that of the record before it, unless that clock was set
   * back, or another Kafka broker with another clock took over.
   */
  readonly appendedAt: number;
}

/** What the log holds of a partition: records `start .. end - 1`. Empty when they are equal. */
export interface LogBounds {
  readonly start: number;
  /** The offset the next record will get. */
  readonly end: number;
}

/**
 * Durable, partitioned, ordered log of records. The only way services tell one another that something happened.
 *
 * One instance per process; it may hold any number of producers and subscriptions. Adapters: `postgres/`, `kafka/`.
 * Every adapter passes the one suite in `event-log.contract-suite.ts`.
 */
export interface EventLog {
  /**
   * Names this very log: adapter, cluster and generation, e.g. `postgres:5b1c...:g1`. Consumers store it beside their
   * position, because an offset means nothing in another log.
   */
  identity(): string;

  /**
   * Creates what is missing and updates the retention of what is there. Idempotent, safe when several processes start.
   * @throws TopicMismatch when a topic exists with another number of partitions
   */
  ensureTopics(topics: readonly LogTopicSpec[]): Promise<void>;

  /** @throws UnknownTopic */
  bounds(topic: string, partition: number): Promise<LogBounds>;

  /**
   * Opens a producer. With `exclusiveId` it takes over from every producer that was opened earlier under the same id, in
   * any process, for ever: it has a higher epoch, and their appends reject with ProducerFenced and store nothing. On
   * Postgres that holds at once; on Kafka an earlier one that still appends hears of it within about two seconds, and
   * what it stores until then is told by its lower epoch. Without, it has an identity of its own that nobody can fence.
   */
  producer(options?: { exclusiveId?: string }): Promise<LogProducer>;

  /** Starts reading; resolves once the subscription is registered, which is before partitions are assigned. */
  consume(options: ConsumeOptions): Promise<LogSubscription>;

  /** For readiness and for the operator: what is wrong now. Empty when all is well. */
  troubles(): readonly LogTrouble[];

  /** Closes subscriptions (waiting for the batches in hand), then producers, then connections. Idempotent. */
  close(): Promise<void>;
}

/**
 * What keeps a process from using the log, as a sentence for an operator.
 *
 * - `away`: the log does not answer, or does not have what it should.
 * - `stopped`: a partition does not advance, because its handler has failed for more than 10 s or has held one batch for
 *   more than 30 s, or because the group does not let this process in.
 * - `outside`: a position lies outside what the log holds; the partition stands still until an operator decides.
 *
 * A partition that stands for a minute although there is something to read and nothing fails is no trouble of these: the
 * adapter ends the process (`onFatal` of its options), so that another one takes the partition over.
 */
export interface LogTrouble {
  readonly kind: 'away' | 'stopped' | 'outside';
  readonly sentence: string;
}

export interface AppendReceipt {
  /**
   * The log's own clock between call and answer, epoch ms (the latest, when partitions differ): what to compare one's own
   * clock with.
   */
  readonly appendedAt: number;
}

export interface LogProducer {
  /**
   * Higher than that of every producer opened earlier under the same exclusive id (>= 1), and constant for the producer's
   * life. Put it into records when a reader must know which of two producers is the later one. Always 1 without
   * `exclusiveId`.
   */
  readonly epoch: number;

  /**
   * Appends the records of each partition in their order, all or none. When it resolves, those of all partitions are
   * durable (fsync, acknowledged by every replica that has to). Where partitions live on different servers some may fail
   * while others do not: the error then names those that failed in `partitions`, and the others are durable.
   *
   * One call at a time: the caller serialises, retries included; a second concurrent call rejects with
   * ConcurrentAppend and stores nothing. Ends within the log's append time limit (4 s unset), whatever the server does;
   * after that the connection is destroyed, so nothing of it can be on its way any more.
   *
   * @throws RecordTooLarge (an AppendRejected) one of the records can never be stored; nothing of the append was
   * @throws AppendRejected definitely not stored; a retry is safe
   * @throws AppendUnresolved perhaps stored, perhaps still going to be. It is settled, one way or the other, once a
   *   later append of this producer to the partition has succeeded. A retry may store the records twice. On Kafka one
   *   case remains: a broker that had received the append before it hung, and then handles it later than the append
   *   that came after. Only records that were never acknowledged can turn up late that way.
   * @throws ProducerFenced a later producer has this exclusive id; nothing was stored, nor ever will be
   * @throws UnknownTopic also for a partition the topic has not; nothing was stored
   * @throws RangeError for no records at all
   */
  append(topic: string, records: readonly OutgoingRecord[]): Promise<AppendReceipt>;

  /** Waits for the append in flight, if any, then lets go. Idempotent. */
  close(): Promise<void>;
}

export interface ConsumeOptions {
  readonly topic: string;
  /**
   * Members of one group, in any process, share the partitions: each is handled by one member at a time, and what the
   * group has not passed is not dropped from the log. The group is known by its name for ever.
   */
  readonly group: string;
  /** Largest batch handed to the handler (it may be smaller, and ends at about 1 MB). */
  readonly maxRecords: number;
  /**
   * Least time between the starts of two batches of a partition, in ms; 0 unset. Lets small appends gather, which
   * saves a transaction each at the price of that much delay.
   */
  readonly minBatchIntervalMs?: number;
  readonly handler: PartitionHandler;
}

/** The calls for one partition never overlap; those of different partitions do. */
export interface PartitionHandler {
  /** The offset to read next (stored offset + 1). Asked on assignment, after PositionMoved and after every failure. */
  position(partition: number): Promise<number>;

  /**
   * Processes records, in order and without holes, and stores its own position in its own transaction; when it resolves
   * the log may forget them. Throw PositionMoved to be asked for the position again at once. On any other error the
   * subscription logs, backs off (100 ms .. 5 s), asks for the position again, and never gives up.
   */
  handle(partition: number, records: readonly LogRecord[]): Promise<void>;

  /**
   * The partition is another member's now, or nobody's. No call is running and none follows until it is assigned anew.
   * Another member may have begun before the last call here ended: positions in the handler's own transactions make
   * that harmless.
   */
  revoked?(partition: number): Promise<void>;

  /**
   * The position lies outside what the log holds. The partition stands still and `troubles()` says so; there is no
   * automatic reset. Reading goes on when `position` (asked every 5 s) answers an offset the log holds, which is what an
   * operator's command to adopt the log brings about. Called once per such spell, and again when it fails.
   */
  outOfRange?(partition: number, error: PositionOutOfRange): void | Promise<void>;
}

export interface PartitionProgress {
  readonly partition: number;
  readonly state: 'reading' | 'failing' | 'out-of-range';
  /** Next offset to be handled; null until the handler has told it. */
  readonly position: number | null;
}

export interface LogSubscription {
  /** The partitions assigned to this subscription now, ascending. */
  progress(): PartitionProgress[];
  /** Stops after the batches in hand, gives the partitions to other members. Idempotent. */
  close(): Promise<void>;
}

/** Injection token of the process's one EventLog. */
export const EVENT_LOG = Symbol('EventLog');

/** What the log tells its operator; pino's loggers fit. */
export interface LogWriter {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}
