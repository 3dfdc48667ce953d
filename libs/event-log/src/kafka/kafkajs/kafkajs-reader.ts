import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer, EachBatchPayload, KafkaMessage } from 'kafkajs';
import type { LogRecord } from '../../event-log';
import { CALL_LIMIT_MS, FETCH_BYTES, GROUP_TIMES } from '../kafka-client';
import type { KafkaClientOptions, KafkaReader, KafkaReaderListener, KafkaReaderOptions } from '../kafka-client';
import { KafkaJsConnections } from './kafkajs-connections';
import { tellsOfGroupLife, translated } from './kafkajs-errors';

/**
 * Long enough to outlive a broker that is started anew: within one instance the member keeps its id, and the group does
 * not have to wait until the old one has timed out.
 */
const RETRY = { retries: 15, initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2 };

/** Batches of one fetch that are taken over in one go. Further ones wait until the rest after these is over. */
const AT_ONCE = 256;

/**
 * A member of a group on kafkajs's consumer. What is done about its habits:
 * - It waits for the handlers of all partitions of a broker before it fetches again, sends its heartbeats in between,
 *   and stops for good when one throws. So what it is given as a handler only takes the records over, and cannot throw.
 * - It resets a position outside the log by itself, without a word. So every delivery is compared with where it has to
 *   begin, and one that begins elsewhere is thrown away and told as misplaced.
 * - It forgets positions, but not pauses, when the group is balanced anew. So every partition is paused then.
 * - It starts itself anew after some failures and ends after others. So it never does; the adapter opens another one.
 */
export class KafkaJsReader implements KafkaReader {
  private readonly connections: KafkaJsConnections;
  private readonly consumer: Consumer;
  private readonly topic: string;
  private readonly restMs: number;
  /** Per partition that is read: the offset its next delivery begins at. */
  private readonly expected = new Map<number, number>();
  private closing: Promise<void> | null = null;
  private over = false;

  constructor(
    { access, logger }: KafkaClientOptions,
    { topic, groupId, restMs }: KafkaReaderOptions,
    private readonly listener: KafkaReaderListener,
  ) {
    this.topic = topic;
    this.restMs = restMs;
    this.connections = new KafkaJsConnections({
      access,
      clientId: 'flatline-consumer',
      requestTimeoutMs: GROUP_TIMES.sessionTimeoutMs,
      connectTimeoutMs: CALL_LIMIT_MS,
      retry: RETRY,
      onTrouble: (message, error) => {
        if (this.over) return; // what we reset ourselves
        if (tellsOfGroupLife(message, error)) return; // whoever is outside its group for long says so
        logger.warn({ topic, groupId, trouble: message }, 'reading from Kafka met with trouble');
      },
    });
    this.consumer = this.connections.kafka.consumer({
      groupId,
      sessionTimeout: GROUP_TIMES.sessionTimeoutMs,
      heartbeatInterval: GROUP_TIMES.heartbeatEveryMs,
      rebalanceTimeout: GROUP_TIMES.rebalanceTimeoutMs,
      maxWaitTimeInMs: GROUP_TIMES.fetchWaitMs,
      minBytes: 1,
      maxBytes: FETCH_BYTES.inAll,
      maxBytesPerPartition: FETCH_BYTES.perPartition,
      allowAutoTopicCreation: false,
      retry: { ...RETRY, restartOnFailure: async () => false },
    });
    const { GROUP_JOIN, CRASH } = this.consumer.events;
    this.consumer.on(GROUP_JOIN, ({ payload }) =>
      this.whileMember(() => this.assigned(payload.memberAssignment[topic] ?? [])),
    );
    this.consumer.on(CRASH, ({ payload }) => this.end(payload.error));
    this.run().catch((error: unknown) => this.end(error));
  }

  read(partition: number, offset: number): void {
    this.whileMember(() => {
      this.expected.set(partition, offset);
      this.consumer.seek({ topic: this.topic, partition, offset: String(offset) });
      this.consumer.resume([{ topic: this.topic, partitions: [partition] }]);
    });
  }

  pause(partition: number): void {
    this.whileMember(() => {
      this.expected.delete(partition);
      this.consumer.pause([{ topic: this.topic, partitions: [partition] }]);
    });
  }

  async commit(positions: ReadonlyMap<number, number>): Promise<void> {
    if (this.over || positions.size === 0) return;
    const { topic } = this;
    try {
      await this.consumer.commitOffsets(
        [...positions].map(([partition, offset]) => ({ topic, partition, offset: String(offset) })),
      );
    } catch (error) {
      throw translated(error);
    }
  }

  close(): Promise<void> {
    this.closing ??= this.leave();
    return this.closing;
  }

  private async run(): Promise<void> {
    await this.consumer.connect();
    await this.consumer.subscribe({ topics: [this.topic], fromBeginning: true });
    if (this.over) return;
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: AT_ONCE,
      eachBatch: async (payload) => {
        this.whileMember(() => this.takeOver(payload));
        // A broker is fetched from again when the handlers of all that it sent have ended.
        if (this.restMs > 0) await sleep(this.restMs);
      },
    });
  }

  /** Nothing is thrown into kafkajs, and what it throws when it has crashed and not said so yet ends the member. */
  private whileMember(action: () => void): void {
    if (this.over) return;
    try {
      action();
    } catch (error) {
      this.end(error);
    }
  }

  private assigned(partitions: readonly number[]): void {
    this.expected.clear();
    this.consumer.pause([{ topic: this.topic, partitions: [...partitions] }]);
    this.listener.assigned([...partitions].sort((a, b) => a - b));
  }

  private takeOver({ batch, resolveOffset, isStale }: EachBatchPayload): void {
    const { partition, messages } = batch;
    const expected = this.expected.get(partition);
    if (expected === undefined || isStale() || messages.length === 0) return;
    const first = Number(messages[0]?.offset);
    if (first !== expected) {
      this.pause(partition);
      return this.listener.misplaced(partition);
    }
    const records = messages.map((message) => toRecord(this.topic, partition, message));
    this.expected.set(partition, expected + records.length);
    resolveOffset(batch.lastOffset());
    this.listener.records(partition, records);
  }

  private end(error: unknown): void {
    if (this.over) return;
    this.over = true;
    this.destroy();
    this.listener.ended(translated(error));
  }

  private async leave(): Promise<void> {
    if (this.over) return;
    this.over = true;
    await Promise.race([this.consumer.disconnect().catch(() => undefined), sleep(CALL_LIMIT_MS, null, { ref: false })]);
    this.destroy();
  }

  private destroy(): void {
    this.connections.reset();
    this.consumer.disconnect().then(
      () => this.connections.reset(),
      () => this.connections.reset(),
    );
  }
}

function toRecord(topic: string, partition: number, message: KafkaMessage): LogRecord {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers ?? {})) headers[name] = String(value ?? '');
  return {
    topic,
    partition,
    offset: Number(message.offset),
    key: message.key?.toString() ?? '',
    value: message.value ?? Buffer.alloc(0),
    headers,
    appendedAt: Number(message.timestamp),
  };
}
