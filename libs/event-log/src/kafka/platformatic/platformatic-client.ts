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
import { Brokers, NO_LEADER } from './brokers';
import { loadPlatformaticKafka } from './library';
import type { PlatformaticKafka } from './library';
import { PlatformaticReader } from './platformatic-reader';
import { PlatformaticSender } from './platformatic-sender';

/** The protocol's instants that stand for the ends of a partition. */
const EARLIEST = -2n;
const LATEST = -1n;
/** Of the requests below: who asks (a client), and how much it may see (everything; there are no transactions). */
const NO_REPLICA = -1;
const UNCOMMITTED_TOO = 0;
const ANY_EPOCH = -1;

/**
 * The seam on @platformatic/kafka 1.35: on its connections and its requests, for Kafka 3.1 and later. Its ready-made
 * clients are not used, for what they do by themselves: see docs/adr/0012.
 */
export class PlatformaticClient implements KafkaClient {
  private readonly brokers: Brokers;

  /** Loads the library. */
  static async load(options: KafkaClientOptions): Promise<PlatformaticClient> {
    return new PlatformaticClient(await loadPlatformaticKafka(), options);
  }

  private constructor(
    private readonly kafka: PlatformaticKafka,
    private readonly options: KafkaClientOptions,
  ) {
    this.brokers = new Brokers(kafka, { access: options.access, clientId: 'flatline' });
  }

  clusterId(): Promise<string> {
    return limited(async () => {
      const { clusterId } = await this.brokers.metadata([]);
      if (!clusterId) throw new Error('the cluster has no id');
      return clusterId;
    });
  }

  describeTopic(topic: string): Promise<KafkaTopic | null> {
    return limited(async () => {
      try {
        this.brokers.forget(topic);
        const { leaders } = await this.brokers.layout(topic);
        const leaderless = leaders.indexOf(NO_LEADER);
        if (leaderless >= 0) {
          throw new BrokerRefusal(
            KafkaErrorCode.LEADER_NOT_AVAILABLE,
            `partition ${leaderless} of ${topic} has no leader`,
          );
        }
        return { partitions: leaders.length, settings: await this.settingsOf(topic) };
      } catch (error) {
        if (error instanceof BrokerRefusal && error.code === KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION) return null;
        throw error;
      }
    });
  }

  createTopic({ name, partitions, replicationFactor, settings }: NewKafkaTopic): Promise<void> {
    const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
    const topic = { name, numPartitions: partitions, replicationFactor, assignments: [], configs };
    return limited(async () => {
      const controller = await this.controller();
      await controller.ask(this.kafka.createTopicsV7.api, CALL_LIMIT_MS, [topic], CALL_LIMIT_MS, false);
    });
  }

  changeSettings(topic: string, settings: KafkaTopicSettings): Promise<void> {
    const { ConfigResourceTypes, IncrementalAlterConfigOperationTypes, incrementalAlterConfigsV1 } = this.kafka;
    const resource = {
      resourceType: ConfigResourceTypes.TOPIC,
      resourceName: topic,
      configs: Object.entries(settings).map(([name, value]) => ({
        name,
        value,
        configOperation: IncrementalAlterConfigOperationTypes.SET,
      })),
    };
    return limited(async () => {
      const controller = await this.controller();
      await controller.ask(incrementalAlterConfigsV1.api, CALL_LIMIT_MS, [resource], false);
    });
  }

  bounds(topic: string): Promise<LogBounds[]> {
    return limited(async () => {
      this.brokers.forget(topic);
      const { leaders } = await this.brokers.layout(topic);
      const [starts, ends] = await Promise.all([
        this.offsets(topic, leaders, EARLIEST),
        this.offsets(topic, leaders, LATEST),
      ]);
      return starts.map((start, partition) => ({ start, end: ends[partition] as number }));
    });
  }

  leaders(topic: string): Promise<number[]> {
    return limited(async () => {
      this.brokers.forget(topic);
      return [...(await this.brokers.layout(topic)).leaders];
    });
  }

  openSender(options: KafkaSenderOptions): KafkaSender {
    return new PlatformaticSender(this.kafka, this.options.access, options);
  }

  openReader(options: KafkaReaderOptions, listener: KafkaReaderListener): KafkaReader {
    return new PlatformaticReader(this.kafka, this.options, options, listener);
  }

  async close(): Promise<void> {
    this.brokers.destroy();
  }

  /** Topics are changed by the controller; with KRaft every broker passes that on, and says that it is the controller. */
  private async controller() {
    const { controllerId } = await this.brokers.metadata([]);
    return this.brokers.connectionTo(controllerId);
  }

  private async settingsOf(topic: string): Promise<KafkaTopicSettings> {
    const connection = await this.brokers.any();
    const resource = { resourceType: this.kafka.ConfigResourceTypes.TOPIC, resourceName: topic };
    const { results } = await connection.ask(
      this.kafka.describeConfigsV4.api,
      CALL_LIMIT_MS,
      [{ ...resource, configurationKeys: null }],
      false,
      false,
    );
    return Object.fromEntries((results[0]?.configs ?? []).map(({ name, value }) => [name, value ?? '']));
  }

  /** The offset of each partition at an instant. */
  private async offsets(topic: string, leaders: readonly number[], timestamp: bigint): Promise<number[]> {
    const offsets: number[] = [];
    const askLeader = async (leader: number): Promise<void> => {
      const led = [...leaders.keys()].filter((partition) => leaders[partition] === leader);
      const partitions = led.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: ANY_EPOCH, timestamp }));
      const connection = await this.brokers.connectionTo(leader);
      const request = [{ name: topic, partitions }];
      const api = this.kafka.listOffsetsV7.api;
      const { topics } = await connection.ask(api, CALL_LIMIT_MS, NO_REPLICA, UNCOMMITTED_TOO, request);
      for (const { partitionIndex, offset } of topics[0]?.partitions ?? []) offsets[partitionIndex] = Number(offset);
    };
    await Promise.all([...new Set(leaders)].map(askLeader));
    return offsets;
  }
}

/** A request that runs out of time ends its connection; this bounds a call that makes several. */
async function limited<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Kafka did not answer within ${CALL_LIMIT_MS} ms`)), CALL_LIMIT_MS);
  });
  try {
    return await Promise.race([call(), limit]);
  } finally {
    clearTimeout(timer);
  }
}
