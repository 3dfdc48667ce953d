import { randomUUID } from 'node:crypto';
import { AppendRejected, AppendUnresolved, ConcurrentAppend, LogClosed, ProducerFenced, UnknownTopic } from '../errors';
import type { AppendReceipt, LogProducer, LogWriter, OutgoingRecord } from '../event-log';
import { Connection, ConnectionLost, sqlState } from './connection';
import { refuseTooLarge } from '../record-size';
import { packAppend } from './record-codec';
import type { Topic, TopicCatalog } from './topic-catalog';

export interface ProducerDependencies {
  readonly url: string;
  readonly catalog: TopicCatalog;
  readonly logger: LogWriter;
  readonly appendTimeoutMs: number;
  /** Monotonic, ms. */
  readonly monotonic: () => number;
  /** Called after every append that succeeded: its records can be read. */
  readonly appended: (topic: Topic, partitions: readonly number[]) => void;
}

const NOT_THE_NEWEST = 'FL001';

/**
 * Waiting for a lock must end before the append's own limit, so that it ends as a clear refusal. There is deliberately
 * no statement_timeout: with synchronous replication it can cut short the wait for the replica and report success.
 */
const PREPARE = `SET lock_timeout = '2500ms';
  SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')`;

/**
 * Appends over one connection of its own.
 *
 * The identity is a row (epoch, session) which every append checks and locks in its own statement. Each connection
 * first raises `session`: that waits for an append of an earlier connection that is still being decided, and refuses
 * one that has yet to begin. So when it has returned, whatever was unresolved is settled; an append that comes after it
 * can neither be overtaken nor followed by an older one.
 */
export class PostgresProducer implements LogProducer {
  private connection: Connection | null = null;
  /** Counts attempts to connect, answered or not, so that a raise that arrives late never undoes a later one. */
  private session = 0;
  private running: Promise<unknown> | null = null;
  private fenced: ProducerFenced | null = null;
  private closed = false;

  private constructor(
    private readonly dependencies: ProducerDependencies,
    private producerId: string,
    private readonly exclusiveId: string | null,
    readonly epoch: number,
  ) {}

  /**
   * The epoch is raised by comparing and setting: a raise that hung in a connection given up finds another epoch when
   * it is executed at last, and fences nobody.
   * @throws Error when the database does not answer in time; nothing is half done, open again
   */
  static async open(dependencies: ProducerDependencies, exclusiveId: string | null): Promise<PostgresProducer> {
    if (exclusiveId === null) return new PostgresProducer(dependencies, randomUUID(), null, 1);
    const producerId = `exclusive:${exclusiveId}`;
    const timeoutMs = dependencies.appendTimeoutMs;
    const connection = await Connection.open({
      url: dependencies.url,
      applicationName: 'flatline-log opening',
      timeoutMs,
    });
    try {
      await connection.query(PREPARE, [], timeoutMs);
      await connection.query(
        'INSERT INTO flatline_log.log_producer VALUES ($1, 0, 0, true) ON CONFLICT DO NOTHING',
        [producerId],
        timeoutMs,
      );
      for (;;) {
        const seen = await connection.query(
          'SELECT epoch FROM flatline_log.log_producer WHERE producer_id = $1',
          [producerId],
          timeoutMs,
        );
        const raised = await connection.query(
          `UPDATE flatline_log.log_producer SET epoch = epoch + 1, session = 0, opened_at = clock_timestamp()
           WHERE producer_id = $1 AND epoch = $2 RETURNING epoch`,
          [producerId, seen[0]?.[0]],
          timeoutMs,
        );
        if (raised[0]) return new PostgresProducer(dependencies, producerId, exclusiveId, Number(raised[0][0]));
      }
    } finally {
      await connection.close();
    }
  }

  async append(topicName: string, records: readonly OutgoingRecord[]): Promise<AppendReceipt> {
    if (this.running) throw new ConcurrentAppend();
    if (this.closed) throw new LogClosed();
    if (this.fenced) throw this.fenced;
    if (records.length === 0) throw new RangeError('an append needs at least one record');
    refuseTooLarge(records);
    const running = this.appendNow(topicName, records);
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
    const { connection } = this;
    this.connection = null;
    if (!connection) return;
    if (this.exclusiveId === null) {
      await connection
        .query('DELETE FROM flatline_log.log_producer WHERE producer_id = $1', [this.producerId], 1_000)
        .catch((error: unknown) => this.warn(error, 'the identity of a closed producer stays until it is swept'));
    }
    await connection.close();
  }

  private async appendNow(topicName: string, records: readonly OutgoingRecord[]): Promise<AppendReceipt> {
    const { appendTimeoutMs, catalog, monotonic, appended } = this.dependencies;
    const deadline = monotonic() + appendTimeoutMs;
    const left = (): number => Math.max(1, deadline - monotonic());
    const topic = await rejectAfter(catalog.topic(topicName), left());
    const beyond = records.find(({ partition }) => !(partition >= 0 && partition < topic.partitions));
    if (beyond) throw new UnknownTopic(topicName, beyond.partition);
    const packed = packAppend(records);
    const connection = await this.connect(left);
    try {
      const rows = await connection.query(
        'SELECT flatline_log.append($1, $2, $3, $4, $5, $6, $7, $8)',
        [
          this.producerId,
          this.epoch,
          this.session,
          topic.id,
          packed.partitions,
          packed.counts,
          packed.lengths,
          packed.payloads,
        ],
        left(),
        'append',
      );
      appended(topic, packed.partitions);
      return { appendedAt: Number(rows[0]?.[0]) };
    } catch (error) {
      if (error instanceof ConnectionLost) {
        this.warn(error, 'an append has an unknown fate; the next one settles it');
        throw new AppendUnresolved(`the answer to an append to ${topicName} did not come`, { cause: error });
      }
      if (sqlState(error) === NOT_THE_NEWEST) this.lostIdentity(error);
      throw new AppendRejected(`an append to ${topicName} was refused`, { cause: error });
    }
  }

  /** The connection to append on, having settled whatever an earlier one left open. */
  private async connect(left: () => number): Promise<Connection> {
    if (this.connection && !this.connection.lost) return this.connection;
    this.session += 1;
    let connection: Connection | undefined;
    try {
      connection = await Connection.open({
        url: this.dependencies.url,
        applicationName: 'flatline-log producer',
        timeoutMs: left(),
      });
      await connection.query(PREPARE, [], left());
      // Shuts the old session out. Waits for the share lock of an append that is still being decided.
      if (await this.raiseSession(connection, left)) return (this.connection = connection);
    } catch (error) {
      connection?.destroy();
      throw new AppendRejected('an append was not sent: the event log could not be reached', { cause: error });
    }
    connection.destroy();
    return this.lostIdentity(undefined);
  }

  private async raiseSession(connection: Connection, left: () => number): Promise<boolean> {
    const text =
      this.exclusiveId === null
        ? `INSERT INTO flatline_log.log_producer AS p VALUES ($1, $2, $3, false)
           ON CONFLICT (producer_id) DO UPDATE SET session = $3 WHERE p.session < $3 RETURNING 1`
        : `UPDATE flatline_log.log_producer SET session = $3
           WHERE producer_id = $1 AND epoch = $2 AND session < $3 RETURNING 1`;
    if (this.exclusiveId === null) {
      // Shows the sweep that this identity is in use. An old session that hangs may still show it: no need to wait.
      await connection.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0))', [this.producerId], left());
    }
    const rows = await connection.query(text, [this.producerId, this.epoch, this.session], left());
    return rows.length === 1;
  }

  /** Without an exclusive id nobody else can have it: an old row was swept, and the next append starts with a new one. */
  private lostIdentity(cause: unknown): never {
    this.connection?.destroy();
    this.connection = null;
    if (this.exclusiveId !== null) {
      this.fenced = new ProducerFenced(this.exclusiveId, this.epoch);
      throw this.fenced;
    }
    this.producerId = randomUUID();
    throw new AppendRejected("the producer's identity was swept; it takes a new one", { cause });
  }

  private warn(error: unknown, message: string): void {
    this.dependencies.logger.warn(
      { err: error, producer: this.exclusiveId ?? 'anonymous', epoch: this.epoch },
      message,
    );
  }
}

/** A look-up that hangs must not outlast the append. Nothing was sent yet, so it ends as a rejection. */
async function rejectAfter<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AppendRejected('the event log could not be reached in time')), timeoutMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } catch (error) {
    if (error instanceof UnknownTopic || error instanceof AppendRejected) throw error;
    throw new AppendRejected('an append was not sent: the event log could not be reached', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
