import type { OutgoingRecord } from '../event-log';
import type { KafkaClient, KafkaSender } from './kafka-client';

interface Layout {
  readonly leaders: readonly number[];
  /** Partitions whose leader failed since: they may have another one by now. */
  readonly doubted: Set<number>;
}

interface Link {
  readonly sender: KafkaSender;
  /** Topics whose leaders it knows. */
  readonly prepared: Set<string>;
}

/** One producer's senders, one for each leader: giving up the connection to one broker leaves the others alone. */
export class LeaderLinks {
  private readonly layouts = new Map<string, Layout>();
  private readonly links = new Map<number, Link>();

  constructor(
    private readonly client: KafkaClient,
    private readonly ackTimeoutMs: number,
  ) {}

  /** Whether the leaders of all these partitions are known, as far as anybody said. */
  knows(topic: string, records: readonly OutgoingRecord[]): boolean {
    const layout = this.layouts.get(topic);
    return layout !== undefined && !records.some(({ partition }) => layout.doubted.has(partition));
  }

  /** @param leaders see KafkaClient.leaders. Nothing is being sent meanwhile. */
  learn(topic: string, leaders: readonly number[]): void {
    const before = this.layouts.get(topic)?.leaders;
    this.layouts.set(topic, { leaders, doubted: new Set() });
    if (!before) return;
    // A sender looks for leaders by itself only when it has none. One that gets a new partition would send it to the old.
    for (const [partition, leader] of leaders.entries()) {
      if (before[partition] !== leader) this.drop(leader, (sender) => void sender.close());
    }
  }

  /** The records by the leaders of their partitions, in their order. */
  byLeader(topic: string, records: readonly OutgoingRecord[]): Map<number, OutgoingRecord[]> {
    const leaders = this.layouts.get(topic)?.leaders ?? [];
    const byLeader = new Map<number, OutgoingRecord[]>();
    for (const record of records) {
      const leader = leaders[record.partition] ?? -1; // the sender finds out what is the matter with it
      const share = byLeader.get(leader);
      if (share) share.push(record);
      else byLeader.set(leader, [record]);
    }
    return byLeader;
  }

  /** The sender for what a broker leads, connected. @throws as KafkaSender.prepare */
  async prepared(leader: number, topic: string): Promise<KafkaSender> {
    const { client, ackTimeoutMs } = this;
    const link = this.links.get(leader) ?? {
      sender: client.openSender({ ackTimeoutMs, leader }),
      prepared: new Set<string>(),
    };
    this.links.set(leader, link);
    if (!link.prepared.has(topic)) await link.sender.prepare(topic);
    link.prepared.add(topic);
    return link.sender;
  }

  /** A broker refused these: whatever is known of them may be out of date. */
  doubt(topic: string, leader: number, records: readonly OutgoingRecord[]): void {
    for (const { partition } of records) this.layouts.get(topic)?.doubted.add(partition);
    this.links.get(leader)?.prepared.delete(topic);
  }

  /** A broker did not answer, or the connection to it broke. */
  giveUp(leader: number): void {
    this.drop(leader, (sender) => sender.destroy());
  }

  async close(): Promise<void> {
    const senders = [...this.links.values()].map(({ sender }) => sender);
    this.links.clear();
    await Promise.all(senders.map((sender) => sender.close()));
  }

  private drop(leader: number, end: (sender: KafkaSender) => void): void {
    const link = this.links.get(leader);
    this.links.delete(leader);
    if (link) end(link.sender);
  }
}
