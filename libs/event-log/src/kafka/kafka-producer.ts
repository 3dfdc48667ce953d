import { setTimeout as sleep } from 'node:timers/promises';
import { AppendRejected, AppendUnresolved, ConcurrentAppend, LogClosed, ProducerFenced, UnknownTopic } from '../errors';
import type { AppendReceipt, LogProducer, LogWriter, OutgoingRecord } from '../event-log';
import { refuseTooLarge } from '../record-size';
import { inRequests } from './append-batches';
import { outcomeOf } from './append-outcome';
import type { ExclusiveIdentity } from './exclusive-identity';
import { BrokerRefusal, KafkaErrorCode } from './kafka-client';
import type { KafkaClient } from './kafka-client';
import type { KafkaTopics } from './kafka-topics';
import { LeaderLinks } from './leader-links';

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

/** The records of an append that one broker leads. They fail or succeed without the others. */
interface Share {
  readonly leader: number;
  readonly records: readonly OutgoingRecord[];
  /** Something was handed to the sender. */
  sending: boolean;
  /** One of its requests was acknowledged. */
  partlyStored: boolean;
}

interface Attempt {
  readonly topic: string;
  readonly batchBytes: number;
  /** Time is up: nothing may be sent any more. */
  readonly isOver: () => boolean;
}

interface FailedShare {
  readonly share: Share;
  readonly error: unknown;
  readonly outcome: 'rejected' | 'unresolved';
}

/**
 * Appends with acks from all in-sync replicas, to all leaders at the same time but one request at a time to each of
 * them, without Kafka's idempotent mode. A partition has one leader, so the order within it stays.
 *
 * What settles an append nobody answered: requests of one connection are handled in their order, so the connection is
 * kept for as long as the append may last. Then it is reset, which drops what this machine still holds back of it. What
 * a broker that hangs has received already it handles as soon as it goes on, while the next append has to be answered
 * twice before (connect, leaders) and then still waits SETTLE_MS. Only a broker that lets a request it has received lie
 * for longer, while it serves newer connections, could store it after a later append. ADR 0011 says what follows.
 */
export class KafkaProducer implements LogProducer {
  private readonly links: LeaderLinks;
  /** Partitions with an append of unknown fate, each as `placeOf` names it. */
  private readonly unsettled = new Set<string>();
  private running: Promise<unknown> | null = null;
  private closed = false;

  constructor(
    private readonly dependencies: ProducerDependencies,
    private readonly exclusive: { readonly id: string; readonly identity: ExclusiveIdentity } | null,
  ) {
    this.links = new LeaderLinks(dependencies.client, dependencies.appendTimeoutMs);
  }

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
    await this.links.close();
  }

  /** The append, or an error when its time is up, whatever the brokers do. */
  private async appendWithin(topic: string, records: readonly OutgoingRecord[]): Promise<AppendReceipt> {
    const { appendTimeoutMs } = this.dependencies;
    let over = false;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Kafka did not answer within ${appendTimeoutMs} ms`)), appendTimeoutMs);
    });
    const within: Within = (running) => {
      for (const promise of [running, limit]) promise.catch(() => undefined); // whichever is not heard
      return Promise.race([running, limit]);
    };
    try {
      const batchBytes = await this.lookUp(topic, records, within);
      const attempt: Attempt = { topic, batchBytes, isOver: () => over };
      const shares = [...this.links.byLeader(topic, records)].map(([leader, ofLeader]): Share => ({
        leader,
        records: ofLeader,
        sending: false,
        partlyStored: false,
      }));
      const results = await Promise.allSettled(shares.map((share) => within(this.store(share, attempt))));
      const failed = shares.flatMap((share, index) => {
        const result = results[index]!;
        return result.status === 'rejected' ? [failedShare(share, result.reason)] : [];
      });
      if (failed.length > 0) throw this.failure(topic, failed, failed.length === shares.length);
      return { appendedAt: Math.max(...results.map((result) => (result.status === 'fulfilled' ? result.value : 0))) };
    } finally {
      over = true;
      clearTimeout(timer);
    }
  }

  /**
   * What the topic takes and who leads it. Nothing is sent before that is known.
   * @returns most bytes of one partition in one request
   */
  private async lookUp(topic: string, records: readonly OutgoingRecord[], within: Within): Promise<number> {
    const { topics, client } = this.dependencies;
    try {
      refuseTooLarge(records);
      const { partitions, batchBytes } = await within(topics.factsOf(topic));
      const beyond = records.find(({ partition }) => !(partition >= 0 && partition < partitions));
      if (beyond) throw new UnknownTopic(topic, beyond.partition);
      refuseTooLarge(records, batchBytes);
      if (!this.links.knows(topic, records)) this.links.learn(topic, await within(client.leaders(topic)));
      return batchBytes;
    } catch (error) {
      if (error instanceof UnknownTopic || error instanceof AppendRejected) throw error;
      if (error instanceof BrokerRefusal) topics.forget(topic);
      throw isUnknownTopic(error) ? new UnknownTopic(topic) : rejected(topic, error);
    }
  }

  /**
   * 1. a connection that knows the leaders, 2. what was open is settled, 3. send.
   * @returns when the last of them was appended
   */
  private async store(share: Share, { topic, batchBytes, isOver }: Attempt): Promise<number> {
    const sender = await this.links.prepared(share.leader, topic);
    const places = share.records.map(({ partition }) => placeOf(topic, partition));
    if (places.some((place) => this.unsettled.has(place))) await sleep(SETTLE_MS);
    if (isOver()) throw new TimeIsUp(); // the caller was told that nothing was sent, and so it stays
    for (const place of places) this.unsettled.delete(place);

    let appendedAt = 0;
    for (const request of inRequests(share.records, batchBytes)) {
      if (isOver()) throw new TimeIsUp();
      share.sending = true;
      const stored = await sender.send(topic, request);
      share.partlyStored = true;
      for (const batch of stored) appendedAt = Math.max(appendedAt, batch.appendedAt);
    }
    return appendedAt;
  }

  /** What the caller is told, and which connections may be used again. */
  private failure(topic: string, failed: readonly FailedShare[], isWhole: boolean): Error {
    const { topics, logger } = this.dependencies;
    for (const { share, error } of failed) {
      this.links.doubt(topic, share.leader, share.records);
      if (error instanceof BrokerRefusal) {
        topics.forget(topic);
        continue;
      }
      this.links.giveUp(share.leader);
      if (share.sending) for (const { partition } of share.records) this.unsettled.add(placeOf(topic, partition));
    }
    const partitions = isWhole ? undefined : partitionsOf(failed);
    const unresolved = failed.find(({ outcome }) => outcome === 'unresolved');
    if (!unresolved) {
      const isGone = isWhole && failed.every(({ error }) => isUnknownTopic(error));
      return isGone ? new UnknownTopic(topic) : rejected(topic, failed[0]!.error, partitions);
    }
    logger.warn(
      { err: unresolved.error, producer: this.exclusive?.id ?? 'anonymous', topic, partitions: partitions ?? 'all' },
      'an append has an unknown fate; the next one settles it',
    );
    const message = `whether an append to ${topic} was stored is not known`;
    return new AppendUnresolved(message, { cause: unresolved.error, partitions });
  }
}

type Within = <Result>(running: Promise<Result>) => Promise<Result>;

function failedShare(share: Share, error: unknown): FailedShare {
  const { sending, partlyStored, records } = share;
  const outcome = !sending ? 'rejected' : partlyStored ? 'unresolved' : outcomeOf(error, records);
  return { share, error, outcome };
}

const partitionsOf = (failed: readonly FailedShare[]): number[] =>
  [...new Set(failed.flatMap(({ share }) => share.records.map(({ partition }) => partition)))].sort((a, b) => a - b);

const rejected = (topic: string, cause: unknown, partitions?: readonly number[]): AppendRejected =>
  new AppendRejected(`an append to ${topic} was not stored`, { cause, partitions });

const isUnknownTopic = (error: unknown): boolean =>
  error instanceof BrokerRefusal && error.code === KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION;

const placeOf = (topic: string, partition: number): string => `${topic}/${partition}`;
