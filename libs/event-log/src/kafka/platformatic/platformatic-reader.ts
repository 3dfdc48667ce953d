import { setTimeout as sleep } from 'node:timers/promises';
import { CALL_LIMIT_MS, isOfGroupLife } from '../kafka-client';
import type { KafkaClientOptions, KafkaReader, KafkaReaderListener, KafkaReaderOptions } from '../kafka-client';
import { Brokers } from './brokers';
import { GroupMembership } from './group-membership';
import type { PlatformaticKafka } from './library';
import { PartitionFetcher } from './partition-fetcher';

/** Trouble that goes on is told at this pace. */
const TOLD_EVERY_MS = 5_000;

/** A membership and what is fetched under it, on connections of their own. */
export class PlatformaticReader implements KafkaReader {
  private readonly brokers: Brokers;
  private readonly membership: GroupMembership;
  private readonly fetcher: PartitionFetcher;
  private owned: ReadonlySet<number> = new Set();
  private toldAt = -Infinity;
  private over = false;
  private closing: Promise<void> | null = null;

  constructor(
    kafka: PlatformaticKafka,
    private readonly client: KafkaClientOptions,
    private readonly options: KafkaReaderOptions,
    private readonly listener: KafkaReaderListener,
  ) {
    const { topic, restMs } = options;
    this.brokers = new Brokers(kafka, { access: client.access, clientId: 'flatline-consumer' });
    const trouble = (error: unknown): void => this.tell(error);
    this.fetcher = new PartitionFetcher(this.brokers, { topic, restMs }, listener, trouble);
    this.membership = new GroupMembership(
      this.brokers,
      options,
      { assigned: (partitions) => this.assigned(partitions), ended: (error) => this.end(error) },
      trouble,
    );
  }

  read(partition: number, offset: number): void {
    if (!this.over && this.owned.has(partition)) this.fetcher.read(partition, offset);
  }

  pause(partition: number): void {
    this.fetcher.pause(partition);
  }

  commit(positions: ReadonlyMap<number, number>): Promise<void> {
    return this.membership.commit(positions);
  }

  close(): Promise<void> {
    this.closing ??= this.leave();
    return this.closing;
  }

  private assigned(partitions: readonly number[]): void {
    this.owned = new Set(partitions);
    this.fetcher.pauseAll();
    this.listener.assigned(partitions);
  }

  private async leave(): Promise<void> {
    if (this.over) return;
    this.stop();
    await Promise.race([this.membership.leave(), sleep(CALL_LIMIT_MS, null, { ref: false })]);
    this.brokers.destroy();
  }

  private end(error: unknown): void {
    if (this.over) return;
    this.stop();
    this.brokers.destroy();
    this.listener.ended(error);
  }

  private stop(): void {
    this.over = true;
    this.fetcher.stop();
  }

  private tell(error: unknown): void {
    const now = performance.now();
    // Whoever is outside its group for long says so.
    if (this.over || isOfGroupLife(error) || now - this.toldAt < TOLD_EVERY_MS) return;
    this.toldAt = now;
    const { topic, groupId } = this.options;
    this.client.logger.warn({ err: error, topic, groupId }, 'reading from Kafka met with trouble; it goes on');
  }
}
