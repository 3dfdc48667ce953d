import { UnknownTopic, TopicMismatch } from '../errors';
import type { LogBounds, LogTopicSpec } from '../event-log';
import type { SharedConnection } from './shared-connection';
import { SCHEMA_LOCK } from './migrate';

export interface Topic {
  readonly id: number;
  readonly name: string;
  readonly partitions: number;
}

/** The topics of the log and where their partitions begin and end. Topics never change once created: cached for ever. */
export class TopicCatalog {
  private readonly topics = new Map<string, Topic>();

  constructor(private readonly shared: SharedConnection) {}

  /** See EventLog.ensureTopics. */
  async ensure(specs: readonly LogTopicSpec[]): Promise<void> {
    for (const { name, partitions, retentionMs } of specs) {
      const rows = await this.shared.query('SELECT partitions FROM flatline_log.ensure_topic($1, $2, $3, $4)', [
        SCHEMA_LOCK,
        name,
        partitions,
        retentionMs,
      ]);
      const existing = Number(rows[0]?.[0]);
      if (existing !== partitions) throw new TopicMismatch(name, existing, partitions);
    }
  }

  /** @throws UnknownTopic */
  async topic(name: string): Promise<Topic> {
    const known = this.topics.get(name);
    if (known) return known;
    const rows = await this.shared.query('SELECT topic_id, partitions FROM flatline_log.log_topic WHERE name = $1', [
      name,
    ]);
    const row = rows[0];
    if (!row) throw new UnknownTopic(name);
    const topic = { id: Number(row[0]), name, partitions: Number(row[1]) };
    this.topics.set(name, topic);
    return topic;
  }

  /** See EventLog.bounds. The start is where the oldest segment begins. */
  async bounds(name: string, partition: number): Promise<LogBounds> {
    const topic = await this.topic(name);
    const rows = await this.shared.query(
      `SELECT p.next_offset, (
         SELECT min(r.start_offset) FROM flatline_log.log_segment s JOIN flatline_log.log_segment_range r
           ON r.segment_id = s.segment_id AND r.partition = p.partition WHERE s.topic_id = p.topic_id)
       FROM flatline_log.log_partition p WHERE p.topic_id = $1 AND p.partition = $2`,
      [topic.id, partition],
    );
    const row = rows[0];
    if (!row) throw new UnknownTopic(name, partition);
    return { start: Number(row[1]), end: Number(row[0]) };
  }
}
