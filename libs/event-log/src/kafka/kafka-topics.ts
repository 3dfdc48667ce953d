import { setTimeout as sleep } from 'node:timers/promises';
import { TopicMismatch, UnknownTopic } from '../errors';
import type { LogBounds, LogTopicSpec, LogWriter } from '../event-log';
import { MAX_RECORD_BYTES } from '../record-size';
import { BATCH_OVERHEAD_BYTES } from './append-batches';
import { BrokerRefusal, KafkaErrorCode } from './kafka-client';
import type { KafkaClient, KafkaTopic, KafkaTopicSettings } from './kafka-client';

/** Room for the largest record and for batches of the usual size. */
const MAX_MESSAGE_BYTES = 2 * 1_048_576;
/** A topic that was just created becomes known to all brokers within this. */
const KNOWN_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** What an append has to know of a topic. */
export interface TopicFacts {
  readonly partitions: number;
  /** Most bytes of one partition in one request. */
  readonly batchBytes: number;
}

/** A look at the bounds of a topic, and the one after it that those wait for who came too late for this one. */
interface Look {
  begun: boolean;
  readonly bounds: Promise<LogBounds[]>;
  next: Promise<LogBounds[]> | null;
}

/** Creates topics, and knows those in use. */
export class KafkaTopics {
  private readonly facts = new Map<string, TopicFacts>();
  private readonly looks = new Map<string, Look>();

  constructor(
    private readonly client: KafkaClient,
    private readonly replicationFactor: number,
    private readonly logger: LogWriter,
  ) {}

  /** See EventLog.ensureTopics. */
  async ensure(specs: readonly LogTopicSpec[]): Promise<void> {
    for (const spec of specs) await this.ensureOne(spec.name, spec.partitions, String(spec.retentionMs));
  }

  /** @param retentionMs as Kafka writes it; -1 keeps for ever */
  async ensureOne(name: string, partitions: number, retentionMs: string): Promise<void> {
    const existing =
      (await untilReady(() => this.client.describeTopic(name))) ?? (await this.create(name, partitions, retentionMs));
    if (existing.partitions !== partitions) throw new TopicMismatch(name, existing.partitions, partitions);
    await untilReady(() => this.client.bounds(name)); // every leader answers
    const wanted = settingsFor(retentionMs);
    const different = Object.entries(wanted).filter(
      ([key, value]) =>
        existing.settings[key] !== value &&
        !(key === 'max.message.bytes' && Number(existing.settings[key]) >= MAX_MESSAGE_BYTES),
    );
    if (different.length > 0) {
      await this.client.changeSettings(name, Object.fromEntries(different));
      this.logger.info(
        { topic: name, settings: Object.fromEntries(different) },
        'the settings of a topic were changed',
      );
      this.facts.delete(name);
    }
  }

  /**
   * @throws UnknownTopic
   * @throws Error when the topic does not keep append times, so that the age of nothing in it could be told
   */
  async factsOf(name: string): Promise<TopicFacts> {
    const known = this.facts.get(name);
    if (known) return known;
    const topic = await this.client.describeTopic(name);
    if (!topic) throw new UnknownTopic(name);
    if (topic.settings['message.timestamp.type'] !== 'LogAppendTime') {
      throw new Error(`topic ${name} needs message.timestamp.type=LogAppendTime`);
    }
    const maxMessageBytes = Number(topic.settings['max.message.bytes'] ?? MAX_RECORD_BYTES);
    const batchBytes = Math.min(maxMessageBytes, MAX_MESSAGE_BYTES) - BATCH_OVERHEAD_BYTES;
    const facts = { partitions: topic.partitions, batchBytes };
    this.facts.set(name, facts);
    return facts;
  }

  /** Look again at the next append: a broker said something that does not fit what is known of this topic. */
  forget(name: string): void {
    this.facts.delete(name);
  }

  /**
   * What the log holds of all partitions, by a look that begins after this call: an earlier one could miss what the
   * caller knows to be there. Those who ask at the same time share it.
   * @throws UnknownTopic
   */
  bounds(name: string): Promise<LogBounds[]> {
    const look = this.looks.get(name);
    if (!look) return this.look(name);
    if (!look.begun) return look.bounds;
    look.next ??= look.bounds.then(
      () => this.look(name),
      () => this.look(name),
    );
    return look.next;
  }

  private look(name: string): Promise<LogBounds[]> {
    // Begins after this turn, so that its other callers come along.
    const bounds = Promise.resolve().then(async () => {
      look.begun = true;
      try {
        return await this.client.bounds(name);
      } catch (error) {
        throw isRefusal(error, KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION) ? new UnknownTopic(name) : error;
      } finally {
        if (!look.next) this.looks.delete(name);
      }
    });
    const look: Look = { begun: false, bounds, next: null };
    this.looks.set(name, look);
    return bounds;
  }

  private async create(name: string, partitions: number, retentionMs: string): Promise<KafkaTopic> {
    const replicationFactor = this.replicationFactor;
    try {
      await this.client.createTopic({
        name,
        partitions,
        replicationFactor,
        settings: { ...settingsFor(retentionMs), 'min.insync.replicas': replicationFactor >= 3 ? '2' : '1' },
      });
      this.logger.info({ topic: name, partitions, replicationFactor }, 'a topic was created');
    } catch (error) {
      // Another process may have been faster.
      if (!isRefusal(error, KafkaErrorCode.TOPIC_ALREADY_EXISTS)) {
        throw new Error(`topic ${name} could not be created: ${(error as Error).message}`, { cause: error });
      }
    }
    return untilReady(async () => {
      const created = await this.client.describeTopic(name);
      if (!created) throw new BrokerRefusal(KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `topic ${name} does not appear`);
      return created;
    });
  }
}

/** Tries again while the brokers have not agreed yet who leads a topic that was just created. */
async function untilReady<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (let waitedMs = 0; ; waitedMs += LOOK_EVERY_MS) {
    try {
      return await ask();
    } catch (error) {
      const isNew = error instanceof BrokerRefusal && NOT_READY.has(error.code);
      if (!isNew || waitedMs > KNOWN_WITHIN_MS) throw error;
    }
    await sleep(LOOK_EVERY_MS);
  }
}

const NOT_READY: ReadonlySet<number> = new Set([
  KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  KafkaErrorCode.LEADER_NOT_AVAILABLE,
  KafkaErrorCode.NOT_LEADER_OR_FOLLOWER,
]);

/** Compaction would make holes, and a producer's own dates would say nothing of the log's clock. */
const settingsFor = (retentionMs: string): KafkaTopicSettings => ({
  'cleanup.policy': 'delete',
  'message.timestamp.type': 'LogAppendTime',
  'retention.ms': retentionMs,
  'max.message.bytes': String(MAX_MESSAGE_BYTES),
});

const isRefusal = (error: unknown, code: number): boolean => error instanceof BrokerRefusal && error.code === code;
