import { setTimeout as sleep } from 'node:timers/promises';
import type { Producer } from 'kafkajs';
import type { OutgoingRecord } from '../../event-log';
import { CALL_LIMIT_MS } from '../kafka-client';
import type { KafkaAccess, KafkaSender, KafkaSenderOptions, StoredBatch } from '../kafka-client';
import { KafkaJsConnections } from './kafkajs-connections';
import { translated } from './kafkajs-errors';

const ALL_REPLICAS = -1;
/** Longer than any append, so that it is never kafkajs that gives up on a request and goes on with the next one. */
const LONGER_THAN_AN_APPEND = 5_000;

/**
 * kafkajs's producer without its idempotent mode (it re-uses a sequence after a time-out, and the broker then
 * acknowledges records it never stored: docs/adr/0011) and without its retries.
 */
export class KafkaJsSender implements KafkaSender {
  private readonly connections: KafkaJsConnections;
  private readonly producer: Producer;
  private connected = false;
  private destroyed = false;

  constructor(
    access: KafkaAccess,
    private readonly options: KafkaSenderOptions,
  ) {
    this.connections = new KafkaJsConnections({
      access,
      clientId: 'flatline-producer',
      requestTimeoutMs: options.ackTimeoutMs + LONGER_THAN_AN_APPEND,
      connectTimeoutMs: options.ackTimeoutMs,
      retry: { retries: 0 },
    });
    this.producer = this.connections.kafka.producer({
      allowAutoTopicCreation: false,
      idempotent: false,
      retry: { retries: 0 },
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition as number,
    });
  }

  async prepare(topic: string): Promise<void> {
    try {
      if (!this.connected) await this.producer.connect();
      this.connected = true;
      await this.producer.send({ topic, acks: ALL_REPLICAS, messages: [] }); // asks for the leaders and sends nothing
    } catch (error) {
      throw translated(error);
    }
  }

  async send(topic: string, records: readonly OutgoingRecord[]): Promise<StoredBatch[]> {
    try {
      const stored = await this.producer.send({
        topic,
        acks: ALL_REPLICAS,
        timeout: this.options.ackTimeoutMs,
        messages: records.map(({ partition, key, value, headers }) => ({
          partition,
          key: Buffer.from(key),
          value,
          headers: { ...headers },
          // kafkajs sets these in a copy of each message. V8 copies in half the time when they need not be added.
          offsetDelta: 0,
          timestampDelta: 0,
        })),
      });
      return stored.map(({ partition, baseOffset, logAppendTime }) => ({
        partition,
        offset: Number(baseOffset),
        appendedAt: Number(logAppendTime),
      }));
    } catch (error) {
      throw translated(error);
    }
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.connections.reset();
    // What was connecting meanwhile ends with the producer.
    this.producer.disconnect().then(
      () => this.connections.reset(),
      () => this.connections.reset(),
    );
  }

  async close(): Promise<void> {
    if (this.destroyed) return;
    await Promise.race([this.producer.disconnect().catch(() => undefined), sleep(CALL_LIMIT_MS, null, { ref: false })]);
    this.destroy();
  }
}
