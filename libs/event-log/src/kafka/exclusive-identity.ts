import type { KafkaClient } from './kafka-client';
import type { KafkaTopics } from './kafka-topics';

/** How often a producer looks whether somebody opened its identity after it, while it appends. */
const LOOK_EVERY_MS = 1_000;

export interface IdentityDependencies {
  readonly client: KafkaClient;
  readonly topics: KafkaTopics;
  /** Monotonic, ms. */
  readonly monotonic: () => number;
  readonly timeoutMs: number;
}

/**
 * An identity that belongs to whoever opened it last, counted by Kafka itself: every opening appends one record to a
 * topic of the identity, and its place there is the epoch. A later opening always gets a higher one.
 *
 * Kafka refuses the appends of an earlier producer only together with its idempotent mode. So an earlier one looks
 * whether the topic goes on after its own record.
 */
export class ExclusiveIdentity {
  private lookedAt = -Infinity;
  private looking = false;
  private taken = false;

  private constructor(
    private readonly topic: string,
    readonly epoch: number,
    private readonly dependencies: IdentityDependencies,
  ) {}

  /** @throws Error when Kafka does not answer in time; open again */
  static async claim(exclusiveId: string, dependencies: IdentityDependencies): Promise<ExclusiveIdentity> {
    const { client, topics, timeoutMs } = dependencies;
    const topic = `flatline.producer-${exclusiveId}.v1`;
    await topics.ensureOne(topic, 1, '-1');
    const sender = client.openSender({ ackTimeoutMs: timeoutMs });
    const giveUp = setTimeout(() => sender.destroy(), timeoutMs);
    try {
      await sender.prepare(topic);
      const [stored] = await sender.send(topic, [{ partition: 0, key: exclusiveId, value: Buffer.alloc(0) }]);
      if (!stored) throw new Error(`Kafka did not say where it stored the opening of "${exclusiveId}"`);
      await sender.close();
      return new ExclusiveIdentity(topic, stored.offset + 1, dependencies);
    } finally {
      clearTimeout(giveUp);
      sender.destroy();
    }
  }

  /** Whether a later opening is known. Looks again from time to time, beside the append that asks and not in its way. */
  isTaken(): boolean {
    const now = this.dependencies.monotonic();
    if (!this.taken && !this.looking && now - this.lookedAt >= LOOK_EVERY_MS) {
      this.lookedAt = now;
      void this.look();
    }
    return this.taken;
  }

  private async look(): Promise<void> {
    this.looking = true;
    try {
      const [bounds] = await this.dependencies.topics.bounds(this.topic);
      this.taken ||= bounds !== undefined && bounds.end > this.epoch;
    } catch {
      // Kafka is away, or the topic: the next look tells, and whoever appends or reads says it louder.
    } finally {
      this.looking = false;
    }
  }
}
