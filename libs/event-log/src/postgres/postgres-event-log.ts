import type {
  ConsumeOptions,
  EventLog,
  LogBounds,
  LogProducer,
  LogSubscription,
  LogTopicSpec,
  LogTrouble,
  LogWriter,
} from '../event-log';
import { OpenedParts } from '../opened-parts';
import { Connection } from './connection';
import { LogMaintenance } from './log-maintenance';
import { LogSession } from './log-session';
import { migrate } from './migrate';
import { PostgresProducer } from './postgres-producer';
import { PostgresSubscription } from './postgres-subscription';
import { SharedConnection } from './shared-connection';
import { TopicCatalog } from './topic-catalog';
import type { Topic } from './topic-catalog';

export interface PostgresEventLogOptions {
  /** Connection string. Must reach Postgres itself: a pooler that shares sessions breaks advisory locks and LISTEN. */
  readonly url: string;
  readonly logger: LogWriter;
  /** Limit for one append, in ms, reconnecting included. Default 4000. */
  readonly appendTimeoutMs?: number;
  /** A segment is sealed at this age (default 10 min) or size (default 64 MiB), looked at every 10 s. */
  readonly segmentMaxAgeMs?: number;
  readonly segmentMaxBytes?: number;
  readonly maintenanceEveryMs?: number;
  /** How often idle partitions are looked at without having been woken, in ms. Default 500. */
  readonly pollEveryMs?: number;
  /** Reading does not go on by itself any more: the process should end and be started anew. Called once. */
  readonly onFatal?: (error: Error) => void;
  /** Monotonic clock, ms. */
  readonly monotonic?: () => number;
}

/** How often partitions that are busy are looked at, too: whether they advance. */
const AUDIT_EVERY_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** The statistics of a segment are never gathered, so the planner is told what always holds: use the key. */
const PREPARE_SHARED = `SET lock_timeout = '2s'; SET enable_seqscan = off; SET enable_bitmapscan = off`;

/**
 * Opens the log kept in a Postgres database, creating or migrating schema `flatline_log` first.
 *
 * Uses one connection per producer and two for everything else, and a short-lived one now and then for maintenance.
 * @throws Error when the database cannot be reached or the schema is newer than this program
 */
export async function openPostgresEventLog(options: PostgresEventLogOptions): Promise<EventLog> {
  const connection = await Connection.open({
    url: options.url,
    applicationName: 'flatline-log migration',
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
  let identity: string;
  try {
    await migrate(connection);
    const rows = await connection.query('SELECT cluster_id, generation FROM flatline_log.log_identity');
    identity = `postgres:${String(rows[0]?.[0])}:g${String(rows[0]?.[1])}`;
  } finally {
    await connection.close();
  }
  const log = new PostgresEventLog(identity, options);
  await log.start();
  return log;
}

class PostgresEventLog implements EventLog {
  private readonly shared: SharedConnection;
  private readonly catalog: TopicCatalog;
  private readonly session: LogSession;
  private readonly maintenance: LogMaintenance;
  private readonly opened: OpenedParts<PostgresSubscription>;
  private readonly monotonic: () => number;
  private pollTimer: NodeJS.Timeout | null = null;
  private polling: Promise<void> = Promise.resolve();
  private pollFailure: string | null = null;
  private auditedAt: number;

  constructor(
    private readonly name: string,
    private readonly options: PostgresEventLogOptions,
  ) {
    const { url, logger } = options;
    this.opened = new OpenedParts(options);
    this.monotonic = options.monotonic ?? (() => performance.now());
    this.auditedAt = this.monotonic();
    this.shared = new SharedConnection(
      { url, applicationName: 'flatline-log shared', timeoutMs: CONNECT_TIMEOUT_MS },
      PREPARE_SHARED,
    );
    this.catalog = new TopicCatalog(this.shared);
    this.session = new LogSession(url, logger, {
      wake: (topicId, partitions) => this.wake(topicId, partitions),
      lost: () => {
        for (const subscription of this.opened.subscriptions) subscription.sessionLost();
      },
    });
    this.maintenance = new LogMaintenance(
      {
        url,
        segmentMaxAgeMs: options.segmentMaxAgeMs ?? 600_000,
        segmentMaxBytes: options.segmentMaxBytes ?? 64 * 1_048_576,
        everyMs: options.maintenanceEveryMs ?? 10_000,
      },
      this.shared,
      logger,
    );
  }

  async start(): Promise<void> {
    await this.session.start(CONNECT_TIMEOUT_MS);
    this.maintenance.start();
    this.pollSoon();
  }

  identity(): string {
    return this.name;
  }

  async ensureTopics(topics: readonly LogTopicSpec[]): Promise<void> {
    await this.catalog.ensure(topics);
  }

  async bounds(topic: string, partition: number): Promise<LogBounds> {
    return this.catalog.bounds(topic, partition);
  }

  async producer(options: { exclusiveId?: string } = {}): Promise<LogProducer> {
    this.opened.refuseWhenClosed();
    const producer = await PostgresProducer.open(
      {
        url: this.options.url,
        catalog: this.catalog,
        logger: this.options.logger,
        appendTimeoutMs: this.options.appendTimeoutMs ?? 4_000,
        monotonic: this.monotonic,
        appended: (topic, partitions) => this.appended(topic, partitions),
      },
      options.exclusiveId ?? null,
    );
    this.opened.producers.add(producer);
    return producer;
  }

  async consume(options: ConsumeOptions): Promise<LogSubscription> {
    this.opened.refuseWhenClosed();
    const { topic: name, group } = options;
    const topic = await this.catalog.topic(name);
    // One session holds the locks of this process; it would win the same lock twice.
    if ([...this.opened.subscriptions].some((other) => other.isFor(name, group))) {
      throw new Error(`group ${group} consumes ${name} in this process already`);
    }
    const subscription = new PostgresSubscription(topic, options, {
      shared: this.shared,
      session: this.session,
      logger: this.options.logger,
      monotonic: this.monotonic,
      closed: (closed) => this.opened.subscriptions.delete(closed),
    });
    this.opened.subscriptions.add(subscription);
    try {
      await subscription.start();
    } catch (error) {
      this.opened.subscriptions.delete(subscription);
      throw error;
    }
    return subscription;
  }

  troubles(): LogTrouble[] {
    return this.opened.troubles(this.awayBecause());
  }

  close(): Promise<void> {
    if (this.pollTimer) clearTimeout(this.pollTimer);
    return this.opened.close(async () => {
      await Promise.all([this.maintenance.close(), this.polling]);
      await Promise.all([this.session.close(), this.shared.close()]);
    });
  }

  private awayBecause(): string | null {
    if (!this.session.connected) return `the event log's database does not answer: ${this.session.failure}`;
    if (this.pollFailure) return `the event log cannot be read: ${this.pollFailure}`;
    return null;
  }

  /** Readers in this process are woken directly, those in others by a notification. */
  private appended(topic: Topic, partitions: readonly number[]): void {
    this.wake(topic.id, partitions);
    this.session.announce(topic.id, partitions);
  }

  private wake(topicId: number | null, partitions: readonly number[]): void {
    for (const subscription of this.opened.subscriptions) {
      if (topicId === null) subscription.wake(null);
      else if (subscription.topicId === topicId) subscription.wake(partitions);
    }
  }

  private pollSoon(): void {
    this.pollTimer = setTimeout(() => {
      this.polling = this.poll().finally(() => {
        if (!this.opened.isClosed) this.pollSoon();
      });
    }, this.options.pollEveryMs ?? 500);
  }

  /**
   * The net under the notifications: one query for every partition that waits, of every subscription. Now and then it
   * looks at those that are busy, too, and ends the process when one does not advance.
   */
  private async poll(): Promise<void> {
    const isAudit = this.monotonic() - this.auditedAt >= AUDIT_EVERY_MS;
    const looked = [...this.opened.subscriptions].filter((subscription) => isAudit || subscription.idle);
    if (looked.length === 0) return;
    if (isAudit) this.auditedAt = this.monotonic();
    try {
      const rows = await this.shared.query(
        'SELECT topic_id, partition, next_offset FROM flatline_log.log_partition WHERE topic_id = ANY ($1)',
        [[...new Set(looked.map((subscription) => subscription.topicId))]],
        3_000,
        'poll',
      );
      this.pollFailure = null;
      for (const [topicId, partition, end] of rows) {
        for (const subscription of looked) {
          if (subscription.topicId !== Number(topicId)) continue;
          const stalled = subscription.polled(Number(partition), Number(end));
          if (stalled !== null) this.opened.fail(new Error(stalled));
        }
      }
    } catch (error) {
      this.pollFailure = error instanceof Error ? error.message : String(error);
      this.options.logger.warn({ err: error }, 'the event log could not be polled');
    }
  }
}
