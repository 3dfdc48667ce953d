import { setTimeout as sleep } from 'node:timers/promises';
import { AppendRejected, AppendUnresolved, ConcurrentAppend, LogClosed, ProducerFenced, UnknownTopic } from '../errors';
import type { AppendReceipt, LogProducer, LogWriter, OutgoingRecord } from '../event-log';
import { refuseTooLarge } from '../record-size';
import { inRequests } from './append-batches';
import { outcomeOf } from './append-outcome';
import type { ExclusiveIdentity } from './exclusive-identity';
import { BrokerRefusal, KafkaErrorCode } from './kafka-client';
import type { KafkaClient, KafkaSender } from './kafka-client';
import type { KafkaTopics } from './kafka-topics';

/** After a connection was given up in the middle of an append, and a new one has answered, this long nothing is sent. */
const SETTLE_MS = 250;

export interface ProducerDependencies {
  readonly client: KafkaClient;
  readonly topics: KafkaTopics;
  readonly logger: LogWriter;
  readonly appendTimeoutMs: number;
}

/** Ends what goes on behind an append that has long been answered. Nobody hears of it. */
class TimeIsUp extends Error {}

interface Attempt {
  readonly topic: string;
  /** Something was handed to the sender. */
  sending: boolean;
  /** One of its requests was acknowledged. */
  partlyStored: boolean;
  /** Time is up: nothing may be sent any more. */
  over: boolean;
}

/**
 * Appends with acks from all in-sync replicas, one request at a time, without Kafka's idempotent mode.
 *
 * What settles an append nobody answered: requests of one connection are handled in their order, so the connection is
 * kept for as long as the append may last. Then it is reset, which drops what this machine still holds back of it. What
 * a broker that hangs has received already it handles as soon as it goes on, while the next append has to be answered
 * twice before (connect, leaders) and then still waits SETTLE_MS. Only a broker that lets a request it has received lie
 * for longer, while it serves newer connections, could store it after a later append. ADR 0011 says what follows.
 */
export class KafkaProducer implements LogProducer {
  private sender: KafkaSender | null = null;
  private readonly prepared = new Set<string>();
  private unsettled = false;
  private running: Promise<unknown> | null = null;
  private closed = false;

  constructor(
    private readonly dependencies: ProducerDependencies,
    private readonly exclusive: { readonly id: string; readonly identity: ExclusiveIdentity } | null,
  ) {}

  get epoch(): number {
    return this.exclusive?.identity.epoch ?? 1;
  }

  async append(topic: string, records: readonly OutgoingRecord[]): Promise<AppendReceipt> {
    if (this.running) throw new ConcurrentAppend();
    if (this.closed) throw new LogClosed();
    if (this.exclusive?.identity.isTaken()) throw new ProducerFenced(this.exclusive.id, this.epoch);
    if (records.length === 0) throw new RangeError('an append needs at least one record');
    const running = this.appendWithin(topic, records);
    this.running = running;
    try {
      return await running;
    } finally {
      this.running = null;
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.running?.catch(() => undefined); // whoever called append hears of it
    const { sender } = this;
    this.sender = null;
    await sender?.close();
  }

  /** The append, or an error when its time is up, whatever the brokers do. */
  private async appendWithin(topic: string, records: readonly OutgoingRecord[]): Promise<AppendReceipt> {
    const { appendTimeoutMs } = this.dependencies;
    const attempt: Attempt = { topic, sending: false, partlyStored: false, over: false };
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Kafka did not answer within ${appendTimeoutMs} ms`)), appendTimeoutMs);
    });
    const appending = this.attempt(attempt, records);
    appending.catch(() => undefined); // when time is up first
    try {
      return await Promise.race([appending, limit]);
    } catch (error) {
      throw this.failed(attempt, records, error);
    } finally {
      attempt.over = true;
      clearTimeout(timer);
    }
  }

  /** 1. what the topic takes, 2. a connection that knows the leaders, 3. what was open is settled, 4. send. */
  private async attempt(attempt: Attempt, records: readonly OutgoingRecord[]): Promise<AppendReceipt> {
    const { topic } = attempt;
    refuseTooLarge(records);
    const { partitions, batchBytes } = await this.dependencies.topics.factsOf(topic);
    const beyond = records.find(({ partition }) => !(partition >= 0 && partition < partitions));
    if (beyond) throw new UnknownTopic(topic, beyond.partition);
    refuseTooLarge(records, batchBytes);
    if (attempt.over) throw new TimeIsUp();

    const sender = (this.sender ??= this.openSender());
    if (!this.prepared.has(topic)) await sender.prepare(topic);
    this.prepared.add(topic);
    if (this.unsettled) await sleep(SETTLE_MS);
    if (attempt.over) throw new TimeIsUp(); // the caller was told that nothing was sent, and so it stays
    this.unsettled = false;

    let appendedAt = 0;
    for (const request of inRequests(records, batchBytes)) {
      attempt.sending = true;
      const stored = await sender.send(topic, request);
      attempt.partlyStored = true;
      for (const batch of stored) appendedAt = Math.max(appendedAt, batch.appendedAt);
    }
    return { appendedAt };
  }

  private openSender(): KafkaSender {
    this.prepared.clear();
    return this.dependencies.client.openSender({ ackTimeoutMs: this.dependencies.appendTimeoutMs });
  }

  /** What the caller is told, and whether the connection may be used again. */
  private failed(attempt: Attempt, records: readonly OutgoingRecord[], error: unknown): Error {
    const { topic, sending, partlyStored } = attempt;
    const { topics, logger } = this.dependencies;
    if (error instanceof UnknownTopic || error instanceof AppendRejected) return error;
    const outcome = !sending ? 'rejected' : partlyStored ? 'unresolved' : outcomeOf(error, records);
    if (error instanceof BrokerRefusal) {
      topics.forget(topic);
      this.prepared.delete(topic);
      if (error.code === KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION && outcome === 'rejected')
        return new UnknownTopic(topic);
    } else {
      this.sender?.destroy();
      this.sender = null;
      this.unsettled ||= sending;
    }
    if (outcome === 'rejected') {
      return new AppendRejected(`an append to ${topic} was not stored`, { cause: error });
    }
    logger.warn(
      { err: error, producer: this.exclusive?.id ?? 'anonymous', topic },
      'an append has an unknown fate; the next one settles it',
    );
    return new AppendUnresolved(`whether an append to ${topic} was stored is not known`, { cause: error });
  }
}
