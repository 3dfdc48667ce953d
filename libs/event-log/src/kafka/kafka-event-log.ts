import { UnknownTopic } from '../errors';
import type {
  ConsumeOptions,
  EventLog,
  LogBounds,
  LogProducer,
  LogSubscription,
  LogTopicSpec,
  LogTrouble,
  LogWriter,
} from '../event-log';
import { OpenedParts } from '../opened-parts';
import { ExclusiveIdentity } from './exclusive-identity';
import type { KafkaAccess, KafkaClient } from './kafka-client';
import { createKafkaClient } from './kafka-clients';
import type { KafkaClientName } from './kafka-clients';
import { KafkaProducer } from './kafka-producer';
import { KafkaSubscription } from './kafka-subscription';
import { KafkaTopics } from './kafka-topics';

export interface KafkaEventLogOptions extends KafkaAccess {
  /** The library that talks to Kafka. kafkajs unset. */
  readonly client?: KafkaClientName;
  /** Copies of each record in topics created here; from 3 up, two of them acknowledge. Fewer brokers: creation fails. */
  readonly replicationFactor: number;
  readonly logger: LogWriter;
  /**
   * Reading does not go on by itself any more (see `troubles` for what is short of that), or the brokers belong to
   * another cluster now. The process should end and be started anew. Called once.
   */
  readonly onFatal?: (error: Error) => void;
  /** Limit for one append, in ms, reconnecting included. Default 4000. */
  readonly appendTimeoutMs?: number;
  /** Monotonic clock, ms. */
  readonly monotonic?: () => number;
}

/** How often is looked whether Kafka answers and partitions that wait have overlooked something. */
const AUDIT_EVERY_MS = 2_000;
/** Every so many rounds it is looked whether it is still the same cluster. */
const CLUSTER_EVERY_ROUNDS = 15;

/**
 * Opens the log kept in a Kafka cluster. Ends within about 5 s; once open, it outlives brokers that come and go.
 * @throws LoginRefused when the brokers refuse the login: trying again does not help
 * @throws Error when no broker answers; nothing is left open
 */
export async function openKafkaEventLog(options: KafkaEventLogOptions): Promise<EventLog> {
  const client = await createKafkaClient(options.client ?? 'kafkajs', { access: options, logger: options.logger });
  try {
    const log = new KafkaEventLog(await client.clusterId(), client, options);
    log.start();
    return log;
  } catch (error) {
    await client.close();
    throw error;
  }
}

class KafkaEventLog implements EventLog {
  private readonly topics: KafkaTopics;
  private readonly opened: OpenedParts<KafkaSubscription>;
  private readonly monotonic: () => number;
  private readonly appendTimeoutMs: number;
  private auditTimer: NodeJS.Timeout | null = null;
  private auditing: Promise<void> = Promise.resolve();
  private rounds = 0;
  private trouble: string | null = null;

  constructor(
    private readonly clusterId: string,
    private readonly client: KafkaClient,
    private readonly options: KafkaEventLogOptions,
  ) {
    this.monotonic = options.monotonic ?? (() => performance.now());
    this.appendTimeoutMs = options.appendTimeoutMs ?? 4_000;
    this.topics = new KafkaTopics(client, options.replicationFactor, options.logger);
    this.opened = new OpenedParts(options);
  }

  start(): void {
    this.auditTimer = setTimeout(() => {
      this.auditing = this.audit().finally(() => {
        if (!this.opened.isClosed) this.start();
      });
    }, AUDIT_EVERY_MS);
  }

  identity(): string {
    return `kafka:${this.clusterId}:g1`; // the topics as they are named here; `inGeneration` puts in later ones
  }

  async ensureTopics(topics: readonly LogTopicSpec[]): Promise<void> {
    await this.topics.ensure(topics);
  }

  async bounds(topic: string, partition: number): Promise<LogBounds> {
    const bounds = (await this.topics.bounds(topic))[partition];
    if (!bounds) throw new UnknownTopic(topic, partition);
    return bounds;
  }

  async producer({ exclusiveId }: { exclusiveId?: string } = {}): Promise<LogProducer> {
    this.opened.refuseWhenClosed();
    const { client, topics, appendTimeoutMs, monotonic } = this;
    const dependencies = { client, topics, appendTimeoutMs, logger: this.options.logger };
    const exclusive =
      exclusiveId === undefined
        ? null
        : {
            id: exclusiveId,
            identity: await ExclusiveIdentity.claim(exclusiveId, {
              client,
              topics,
              monotonic,
              timeoutMs: appendTimeoutMs,
            }),
          };
    const producer = new KafkaProducer(dependencies, exclusive);
    this.opened.producers.add(producer);
    return producer;
  }

  async consume(options: ConsumeOptions): Promise<LogSubscription> {
    this.opened.refuseWhenClosed();
    await this.topics.factsOf(options.topic); // a topic that is missing is said at once
    const subscription = new KafkaSubscription(options, {
      client: this.client,
      logger: this.options.logger,
      monotonic: this.monotonic,
      bounds: (topic) => this.topics.bounds(topic),
      closed: (closed) => this.opened.subscriptions.delete(closed),
    });
    this.opened.subscriptions.add(subscription);
    return subscription;
  }

  troubles(): LogTrouble[] {
    return this.opened.troubles(this.trouble);
  }

  close(): Promise<void> {
    if (this.auditTimer) clearTimeout(this.auditTimer);
    return this.opened.close(async () => {
      await this.client.close();
      await this.auditing;
    });
  }

  private async audit(): Promise<void> {
    try {
      const topics = new Set([...this.opened.subscriptions].map(({ options }) => options.topic));
      if (topics.size === 0 || this.rounds % CLUSTER_EVERY_ROUNDS === 0) await this.recogniseCluster();
      this.rounds += 1;
      for (const topic of topics) await this.auditTopic(topic);
      this.trouble = null;
    } catch (error) {
      if (this.opened.isClosed) return;
      this.options.logger.warn({ err: error }, 'Kafka does not answer');
      const message = error instanceof Error ? error.message : String(error);
      this.trouble = error instanceof UnknownTopic ? `Kafka has ${message}` : `Kafka does not answer: ${message}`;
    }
  }

  private async auditTopic(topic: string): Promise<void> {
    const bounds = await this.topics.bounds(topic);
    for (const subscription of this.opened.subscriptions) {
      if (subscription.options.topic !== topic) continue;
      const stalled = await subscription.audit(bounds);
      if (stalled) this.opened.fail(new Error(stalled));
    }
  }

  private async recogniseCluster(): Promise<void> {
    const clusterId = await this.client.clusterId();
    if (clusterId !== this.clusterId) {
      this.opened.fail(new Error(`the brokers belong to cluster ${clusterId} now, they belonged to ${this.clusterId}`));
    }
  }
}
