import { ConfigResourceTypes } from 'kafkajs';
import type { Admin } from 'kafkajs';
import type { LogBounds } from '../../event-log';
import { BrokerRefusal, CALL_LIMIT_MS, KafkaErrorCode } from '../kafka-client';
import type {
  KafkaClient,
  KafkaClientOptions,
  KafkaReader,
  KafkaReaderListener,
  KafkaReaderOptions,
  KafkaSender,
  KafkaSenderOptions,
  KafkaTopic,
  KafkaTopicSettings,
  NewKafkaTopic,
} from '../kafka-client';
import { KafkaJsConnections } from './kafkajs-connections';
import { translated } from './kafkajs-errors';
import { KafkaJsReader } from './kafkajs-reader';
import { KafkaJsSender } from './kafkajs-sender';

/** Where the value of a setting comes from, by the protocol: set for the topic itself. */
const SET_FOR_THE_TOPIC = 1;

interface OpenAdmin {
  readonly connections: KafkaJsConnections;
  readonly admin: Admin;
  readonly connected: Promise<void>;
}

/**
 * An admin client of kafkajs that has looked at the bounds of a topic asks for this topic whenever it refreshes what it
 * knows, and fails in every call once the topic is gone. So bounds are looked at by one of their own.
 */
type Purpose = 'topics' | 'bounds';

/** The seam on kafkajs 2.2.4. */
export class KafkaJsClient implements KafkaClient {
  private readonly open = new Map<Purpose, OpenAdmin>();
  private closed = false;

  constructor(private readonly options: KafkaClientOptions) {}

  clusterId(): Promise<string> {
    return this.call(async (admin) => (await admin.describeCluster()).clusterId);
  }

  async describeTopic(topic: string): Promise<KafkaTopic | null> {
    try {
      const { topics } = await this.call((admin) => admin.fetchTopicMetadata({ topics: [topic] }));
      const partitions = topics[0]?.partitions.length ?? 0;
      const entries = await this.settingsOf(topic);
      return {
        partitions,
        settings: Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue])),
      };
    } catch (error) {
      if (isUnknownTopic(error)) return null;
      throw error;
    }
  }

  async createTopic({ name, partitions, replicationFactor, settings }: NewKafkaTopic): Promise<void> {
    const topic = {
      topic: name,
      numPartitions: partitions,
      replicationFactor,
      configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
    };
    const created = await this.call((admin) =>
      // Waiting for leaders is the adapter's: kafkajs fails when the broker it asks has not heard of the topic yet.
      admin.createTopics({ topics: [topic], timeout: CALL_LIMIT_MS, waitForLeaders: false }),
    );
    if (!created) throw new BrokerRefusal(KafkaErrorCode.TOPIC_ALREADY_EXISTS, `topic ${name} exists`);
  }

  /** kafkajs has only the call that replaces all settings of a topic, so those that were set stay by being sent again. */
  async changeSettings(topic: string, settings: KafkaTopicSettings): Promise<void> {
    const entries = await this.settingsOf(topic);
    const kept = entries.filter((entry) => Number(entry.configSource) === SET_FOR_THE_TOPIC);
    const all = { ...Object.fromEntries(kept.map((entry) => [entry.configName, entry.configValue])), ...settings };
    const configEntries = Object.entries(all).map(([name, value]) => ({ name, value }));
    await this.call((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
      }),
    );
  }

  async bounds(topic: string): Promise<LogBounds[]> {
    const offsets = await this.call((admin) => admin.fetchTopicOffsets(topic), 'bounds');
    return offsets
      .sort((a, b) => a.partition - b.partition)
      .map(({ low, high }) => ({ start: Number(low), end: Number(high) }));
  }

  async leaders(topic: string): Promise<number[]> {
    const { topics } = await this.call((admin) => admin.fetchTopicMetadata({ topics: [topic] }));
    const leaders: number[] = [];
    for (const { partitionId, leader } of topics[0]?.partitions ?? []) leaders[partitionId] = leader;
    return leaders;
  }

  openSender(options: KafkaSenderOptions): KafkaSender {
    return new KafkaJsSender(this.options.access, options);
  }

  openReader(options: KafkaReaderOptions, listener: KafkaReaderListener): KafkaReader {
    return new KafkaJsReader(this.options, options, listener);
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const purpose of this.open.keys()) this.giveUp(purpose);
  }

  private async settingsOf(topic: string) {
    const { resources } = await this.call((admin) =>
      admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
      }),
    );
    return resources[0]?.configEntries ?? [];
  }

  /** Runs one call; an admin client that failed in any other way than by a broker's answer is not used again. */
  private async call<Answer>(run: (admin: Admin) => Promise<Answer>, purpose: Purpose = 'topics'): Promise<Answer> {
    if (this.closed) throw new Error('the Kafka client is closed');
    const open = this.open.get(purpose) ?? this.openAdmin(purpose);
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Kafka did not answer within ${CALL_LIMIT_MS} ms`)), CALL_LIMIT_MS);
    });
    try {
      return await Promise.race([open.connected.then(() => run(open.admin)), limit]);
    } catch (thrown) {
      const error = translated(thrown);
      const isPoisoned = purpose === 'bounds' && isUnknownTopic(error);
      if ((isPoisoned || !(error instanceof BrokerRefusal)) && this.open.get(purpose) === open) this.giveUp(purpose);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private openAdmin(purpose: Purpose): OpenAdmin {
    const connections = new KafkaJsConnections({
      access: this.options.access,
      clientId: 'flatline',
      requestTimeoutMs: CALL_LIMIT_MS,
      connectTimeoutMs: CALL_LIMIT_MS,
      retry: { retries: 0 },
    });
    const admin = connections.kafka.admin({ retry: { retries: 0 } });
    const connected = admin.connect();
    connected.catch(() => undefined); // whoever calls hears of it
    const open = { connections, admin, connected };
    this.open.set(purpose, open);
    return open;
  }

  private giveUp(purpose: Purpose): void {
    const open = this.open.get(purpose);
    this.open.delete(purpose);
    if (!open) return;
    open.connections.reset();
    open.admin.disconnect().then(
      () => open.connections.reset(),
      () => open.connections.reset(),
    );
  }
}

const isUnknownTopic = (error: unknown): boolean =>
  error instanceof BrokerRefusal && error.code === KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
