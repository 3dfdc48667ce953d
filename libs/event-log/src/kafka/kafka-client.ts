import type { LogBounds, LogRecord, LogWriter, OutgoingRecord } from '../event-log';

/** How to reach a cluster and who to be there. */
export interface KafkaAccess {
  /** host:port of some of the brokers; the others are learnt from them. */
  readonly brokers: readonly string[];
  /** Present when connections are encrypted. `ca`: PEM of the authority of the brokers' certificates; Node's unset. */
  readonly tls?: { readonly ca?: string };
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
}

export interface KafkaClientOptions {
  readonly access: KafkaAccess;
  readonly logger: LogWriter;
}

/**
 * What the adapter needs of a client library, and nothing more: everything that is ours (what an error means for an
 * append, positions, back-off, who is told what) lives above this, once for all libraries. One folder per library.
 *
 * Errors: what a broker answered is a BrokerRefusal with the protocol's error code, a refused login a LoginRefused.
 * Everything else means that nobody knows (a lost connection, silence); such a connection is not used again.
 * No call changes or repeats anything that was sent: retries are the adapter's.
 */
export interface KafkaClient {
  /** The id the cluster gave itself when it was created. Ends within CALL_LIMIT_MS, like every call up to `bounds`. */
  clusterId(): Promise<string>;

  /** null when there is no such topic. Never creates one. */
  describeTopic(topic: string): Promise<KafkaTopic | null>;

  /** @throws BrokerRefusal TOPIC_ALREADY_EXISTS */
  createTopic(topic: NewKafkaTopic): Promise<void>;

  /** Sets these settings of a topic and leaves its others alone. */
  changeSettings(topic: string, settings: KafkaTopicSettings): Promise<void>;

  /**
   * What the log holds of every partition of a topic; the index is the partition.
   * @throws BrokerRefusal UNKNOWN_TOPIC_OR_PARTITION
   */
  bounds(topic: string): Promise<LogBounds[]>;

  /**
   * Node id of the leader of every partition; the index is the partition. Negative where nobody leads.
   * @throws BrokerRefusal UNKNOWN_TOPIC_OR_PARTITION
   */
  leaders(topic: string): Promise<number[]>;

  /** Connects to nothing yet. */
  openSender(options: KafkaSenderOptions): KafkaSender;

  /** Begins to join the group and returns at once. */
  openReader(options: KafkaReaderOptions, listener: KafkaReaderListener): KafkaReader;

  /** Senders and readers are closed by then. */
  close(): Promise<void>;
}

/** Most time a call of KafkaClient takes, in ms, whatever the brokers do. */
export const CALL_LIMIT_MS = 5_000;

/** The topic's own settings by their Kafka names, for example `retention.ms`. */
export type KafkaTopicSettings = Readonly<Record<string, string>>;

export interface KafkaTopic {
  readonly partitions: number;
  /** In force, whether set for the topic or inherited from the broker. */
  readonly settings: KafkaTopicSettings;
}

export interface NewKafkaTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly settings: KafkaTopicSettings;
}

export interface KafkaSenderOptions {
  /** How long a broker may wait for its replicas before it answers, in ms. The sender itself waits longer. */
  readonly ackTimeoutMs: number;
  /** Node id of the only broker that leads what will be sent: no other has to be connected. Unset: any may be. */
  readonly leader?: number;
}

/** What a broker said of one partition of a send. */
export interface StoredBatch {
  readonly partition: number;
  /** Of the first record. */
  readonly offset: number;
  /** The broker's clock, epoch ms; negative when the topic does not keep it (`message.timestamp.type`). */
  readonly appendedAt: number;
}

/** One producer's connections. One call at a time. */
export interface KafkaSender {
  /** Connects and learns who leads the partitions of a topic. Sends no record: a failure leaves nothing open. */
  prepare(topic: string): Promise<void>;

  /**
   * Sends each record once, to its partition, in one batch per partition, and resolves when all in-sync replicas of all
   * partitions have them. Not idempotent, never retried. Has no time limit of its own shorter than the caller's; who
   * has waited enough calls `destroy`.
   * @throws BrokerRefusal of one of the partitions; the others are stored or not
   */
  send(topic: string, records: readonly OutgoingRecord[]): Promise<StoredBatch[]>;

  /**
   * Resets the connections at once (TCP RST): what a socket still buffers here is never sent. What is running ends with
   * an error sooner or later. Idempotent.
   */
  destroy(): void;

  /** Ends the connections in an orderly way. Nothing is running. Ends within CALL_LIMIT_MS. */
  close(): Promise<void>;
}

export interface KafkaReaderOptions {
  readonly topic: string;
  /** The group's id at the broker. Its members read this one topic. */
  readonly groupId: string;
  /**
   * After a fetch that brought records the broker is left alone for so long, in ms; 0: not at all. Otherwise a busy topic
   * is fetched from with every append, for a few records of each partition.
   */
  readonly restMs: number;
}

/** One member of a group. Nothing it says comes after `close` or after `ended`. */
export interface KafkaReaderListener {
  /**
   * The group was (re)balanced: these partitions, ascending, are this member's now, and only these. None of them is
   * read, including those it had before, until `read` was called again; calling it from within is fine.
   */
  assigned(partitions: readonly number[]): void;

  /** Goes on where the last call for this partition ended, without a hole; the first begins at the offset of `read`. */
  records(partition: number, records: LogRecord[]): void;

  /** The log does not hold what was to be read next. The partition is paused. No reset takes place. */
  misplaced(partition: number): void;

  /** This member is out of the group for good and closed itself: open another one. */
  ended(error: unknown): void;
}

export interface KafkaReader {
  /** Reads an assigned partition from here on, and forgets where it was. Ends a pause. Others are ignored. */
  read(partition: number, offset: number): void;

  /** Delivers nothing more of this partition until `read`. */
  pause(partition: number): void;

  /** Tells the broker how far the group is (next offset per partition). It serves those who watch the lag, nobody else. */
  commit(positions: ReadonlyMap<number, number>): Promise<void>;

  /** Leaves the group, so that the others get its partitions at once. Ends within CALL_LIMIT_MS. Idempotent. */
  close(): Promise<void>;
}

/** How a member lives in its group; the reasons are in ADR 0011. In ms. */
export const GROUP_TIMES = {
  /** A member that was killed loses its partitions after this. */
  sessionTimeoutMs: 8_000,
  heartbeatEveryMs: 1_000,
  /** Members join anew without waiting for their handlers, so a rebalance waits for the dead only. */
  rebalanceTimeoutMs: 8_000,
  /** A fetch waits this long for records when there are none; also the longest a paused partition waits to be read. */
  fetchWaitMs: 200,
} as const;

/** Most bytes of one partition, and of all, in one fetch. A larger record is delivered by itself. */
export const FETCH_BYTES = { perPartition: 1_048_576, inAll: 8 * 1_048_576 } as const;

/** Error codes of the Kafka protocol that mean something to the adapter. */
export const KafkaErrorCode = {
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  MESSAGE_TOO_LARGE: 10,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  INVALID_TOPIC: 17,
  RECORD_LIST_TOO_LARGE: 18,
  NOT_ENOUGH_REPLICAS: 19,
  REBALANCE_IN_PROGRESS: 27,
  TOPIC_AUTHORIZATION_FAILED: 29,
  CLUSTER_AUTHORIZATION_FAILED: 31,
  TOPIC_ALREADY_EXISTS: 36,
  INVALID_RECORD: 87,
} as const;

/** A broker answered with an error. */
export class BrokerRefusal extends Error {
  override name = 'BrokerRefusal';

  constructor(
    /** The protocol's error code, see KafkaErrorCode. */
    readonly code: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const OF_GROUP_LIFE: ReadonlySet<number> = new Set([
  KafkaErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  KafkaErrorCode.COORDINATOR_NOT_AVAILABLE,
  KafkaErrorCode.NOT_COORDINATOR,
  KafkaErrorCode.REBALANCE_IN_PROGRESS,
]);

/**
 * What a group answers while it is set up, moves to another broker or is balanced anew: nothing to warn of, unless it
 * lasts, and then the subscription says that its member is outside.
 */
export const isOfGroupLife = (error: unknown): boolean =>
  error instanceof BrokerRefusal && OF_GROUP_LIFE.has(error.code);

/** The brokers do not take the user name and password, or this way of logging in: the configuration is wrong. */
export class LoginRefused extends Error {
  override name = 'LoginRefused';
}
