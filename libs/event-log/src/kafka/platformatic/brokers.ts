import type { Broker, metadataV12 } from '@platformatic/kafka';
import { BrokerRefusal, KafkaErrorCode } from '../kafka-client';
import { BrokerConnection } from './broker-connection';
import type { ConnectionSettings } from './broker-connection';
import type { PlatformaticKafka } from './library';
import { answerDespite } from './platformatic-errors';

/** In place of the node id of a leader. */
export const NO_LEADER = -1;

/** A broker that hangs must not eat up the time that asking the next one needs. */
const METADATA_LIMIT_MS = 1_000;

export interface TopicLayout {
  readonly id: string;
  /** Node id of the leader by partition, or NO_LEADER. */
  readonly leaders: readonly number[];
}

/**
 * Connections to the brokers of a cluster, opened when needed and kept, one per broker. Every sender and every reader
 * has its own, so that it can destroy them without disturbing anybody.
 */
export class Brokers {
  private readonly bootstrap: readonly Broker[];
  private readonly addresses = new Map<number, Broker>();
  private readonly layouts = new Map<string, TopicLayout>();
  private readonly shared = new Map<string, Promise<BrokerConnection>>();
  private readonly opened = new Set<BrokerConnection>();
  private nextTurn = 0;
  private ended = false;

  constructor(
    readonly kafka: PlatformaticKafka,
    private readonly settings: ConnectionSettings,
  ) {
    this.bootstrap = settings.access.brokers.map(parseBroker);
  }

  /**
   * Asks any broker, and keeps what it says about brokers and leaders.
   * @throws BrokerRefusal for a topic that does not exist
   */
  async metadata(topics: readonly string[]): Promise<metadataV12.MetadataResponse> {
    const answer = await this.askForMetadata(topics);
    for (const { nodeId, host, port } of answer.brokers) this.addresses.set(nodeId, { host, port });
    for (const { name, topicId, partitions } of answer.topics) {
      const leaders: number[] = [];
      for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId;
      this.layouts.set(name as string, { id: topicId, leaders });
    }
    return answer;
  }

  /** Who leads the partitions of a topic, as last heard; asked for at first and after `forget`. */
  async layout(topic: string): Promise<TopicLayout> {
    if (!this.layouts.has(topic)) await this.metadata([topic]);
    const layout = this.layouts.get(topic);
    if (!layout) throw new BrokerRefusal(KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `no topic ${topic}`);
    return layout;
  }

  /** What was heard of a topic may be out of date. */
  forget(topic: string): void {
    this.layouts.delete(topic);
  }

  async connectionTo(nodeId: number): Promise<BrokerConnection> {
    return this.connected(await this.address(nodeId));
  }

  /** A connection to any broker: the given ones in turn, then those heard of. */
  async any(): Promise<BrokerConnection> {
    const candidates = [...this.bootstrap, ...this.addresses.values()];
    const first = this.nextTurn++;
    let cause: unknown;
    for (let turn = 0; turn < candidates.length; turn++) {
      try {
        return await this.connected(candidates[(first + turn) % candidates.length] as Broker);
      } catch (error) {
        cause = error;
      }
    }
    throw cause;
  }

  /** A connection beside the shared one, for requests that let the ones behind them wait. */
  async separateConnection(broker: Broker): Promise<BrokerConnection> {
    const connection = await BrokerConnection.open(this.kafka, broker, this.settings);
    if (this.ended) {
      connection.destroy();
      throw new Error('the connections are closed');
    }
    for (const other of this.opened) if (!other.usable) this.opened.delete(other);
    this.opened.add(connection);
    return connection;
  }

  async address(nodeId: number): Promise<Broker> {
    if (!this.addresses.has(nodeId)) await this.metadata([]);
    const broker = this.addresses.get(nodeId);
    if (!broker) throw new Error(`the cluster has no broker ${nodeId}`);
    return broker;
  }

  /** At once, for good, requests in flight included. Nothing is sent after it returned. Idempotent. */
  destroy(): void {
    this.ended = true;
    for (const connection of this.opened) connection.destroy();
    this.opened.clear();
  }

  /** For good, in an orderly way: nothing is running. */
  async close(): Promise<void> {
    this.ended = true;
    await Promise.all([...this.opened].map((connection) => connection.close()));
    this.opened.clear();
  }

  private async askForMetadata(topics: readonly string[]): Promise<metadataV12.MetadataResponse> {
    const connection = await this.any();
    try {
      return await connection.ask(this.kafka.metadataV12.api, METADATA_LIMIT_MS, [...topics], false, false);
    } catch (error) {
      // A partition without a leader must not hide the others.
      const answer = answerDespite<metadataV12.MetadataResponse>(error);
      if (!answer || answer.topics.some(({ errorCode }) => errorCode !== 0)) throw error;
      return answer;
    }
  }

  private async connected(broker: Broker): Promise<BrokerConnection> {
    const address = `${broker.host}:${broker.port}`;
    const known = this.shared.get(address);
    const connection = await known?.catch(ignored);
    if (connection?.usable) return connection;
    if (this.shared.get(address) !== known) return this.connected(broker); // somebody was faster
    const opening = this.separateConnection(broker);
    this.shared.set(address, opening);
    return opening;
  }
}

const ignored = (): undefined => undefined;

function parseBroker(address: string): Broker {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
