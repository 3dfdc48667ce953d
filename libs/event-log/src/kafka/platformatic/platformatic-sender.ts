import type { MessageRecord } from '@platformatic/kafka';
import type { OutgoingRecord } from '../../event-log';
import { BrokerRefusal, KafkaErrorCode } from '../kafka-client';
import type { KafkaAccess, KafkaSender, KafkaSenderOptions, StoredBatch } from '../kafka-client';
import { Brokers, NO_LEADER } from './brokers';
import type { PlatformaticKafka } from './library';

const ALL_REPLICAS = -1;

/**
 * The library's Produce request without its producer, which repeats requests by itself, folds a partition that the topic
 * has not into one that it has, and hides the broker's clock.
 */
export class PlatformaticSender implements KafkaSender {
  private readonly brokers: Brokers;

  constructor(
    private readonly kafka: PlatformaticKafka,
    access: KafkaAccess,
    private readonly options: KafkaSenderOptions,
  ) {
    this.brokers = new Brokers(kafka, { access, clientId: 'flatline-producer' });
  }

  async prepare(topic: string): Promise<void> {
    try {
      const { leaders } = await this.brokers.layout(topic);
      const wanted = this.options.leader === undefined ? leaders : [this.options.leader];
      const reachable = [...new Set(wanted)].filter((leader) => leader !== NO_LEADER);
      await Promise.all(reachable.map((leader) => this.brokers.connectionTo(leader)));
    } catch (error) {
      this.brokers.forget(topic);
      throw error;
    }
  }

  async send(topic: string, records: readonly OutgoingRecord[]): Promise<StoredBatch[]> {
    try {
      return await this.sendToLeaders(await this.byLeader(topic, records));
    } catch (error) {
      // Also when it never left: a partition that had no leader when this was learnt may have one by now.
      this.brokers.forget(topic);
      throw error;
    }
  }

  destroy(): void {
    this.brokers.destroy();
  }

  close(): Promise<void> {
    return this.brokers.close();
  }

  private async sendToLeaders(byLeader: ReadonlyMap<number, MessageRecord[]>): Promise<StoredBatch[]> {
    // Every broker has answered, or its connection is lost, before the caller hears anything.
    const outcomes = await Promise.allSettled([...byLeader].map(([leader, messages]) => this.sendTo(leader, messages)));
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason as Error);
    // Not to know outweighs a refusal.
    if (failures.length > 0) throw failures.find((failure) => !(failure instanceof BrokerRefusal)) ?? failures[0];
    return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
  }

  private async byLeader(topic: string, records: readonly OutgoingRecord[]): Promise<Map<number, MessageRecord[]>> {
    const { leaders } = await this.brokers.layout(topic);
    const byLeader = new Map<number, MessageRecord[]>();
    for (const { partition, key, value, headers } of records) {
      const leader = leaders[partition];
      if (leader === undefined) {
        throw new BrokerRefusal(KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `no partition ${partition} in ${topic}`);
      }
      if (leader === NO_LEADER) {
        throw new BrokerRefusal(
          KafkaErrorCode.LEADER_NOT_AVAILABLE,
          `partition ${partition} of ${topic} has no leader`,
        );
      }
      const message = { topic, partition, key: Buffer.from(key), value, headers: encodedHeaders(headers) };
      const messages = byLeader.get(leader);
      if (messages) messages.push(message);
      else byLeader.set(leader, [message]);
    }
    return byLeader;
  }

  private async sendTo(leader: number, messages: MessageRecord[]): Promise<StoredBatch[]> {
    const connection = await this.brokers.connectionTo(leader);
    const { ackTimeoutMs } = this.options;
    const answer = await connection.ask(this.kafka.produceV9.api, null, ALL_REPLICAS, ackTimeoutMs, messages, {});
    if (typeof answer === 'boolean') throw new Error('the broker sent no answer'); // it does unless told not to
    return answer.responses.flatMap(({ partitionResponses }) =>
      partitionResponses.map(({ index, baseOffset, logAppendTimeMs }) => ({
        partition: index,
        offset: Number(baseOffset),
        appendedAt: Number(logAppendTimeMs),
      })),
    );
  }
}

function encodedHeaders(headers: OutgoingRecord['headers'] = {}): Map<Buffer, Buffer> {
  return new Map(Object.entries(headers).map(([name, value]) => [Buffer.from(name), Buffer.from(value)]));
}
