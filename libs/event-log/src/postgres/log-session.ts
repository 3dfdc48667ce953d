import { createHash } from 'node:crypto';
import type { LogWriter } from '../event-log';
import { Connection } from './connection';

const CHANNEL = 'flatline_log';
/** Notifications are gathered this long, so that a busy log sends at most a hundred a second. */
const ANNOUNCE_EVERY_MS = 10;
const QUERY_TIMEOUT_MS = 3_000;
/** A server that froze is noticed after this and QUERY_TIMEOUT_MS. */
const PROBE_EVERY_MS = 1_000;
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 2_000;

/**
 * The setup of the session. A notification is a hint that needs no fsync. The server gives up on a dead peer within
 * about 11 s (unset it takes two hours, and the locks of a vanished machine would live on).
 */
const PREPARE = `SET synchronous_commit = off; SET lock_timeout = '2s';
  SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
  LISTEN ${CHANNEL}`;

export interface SessionListener {
  /** New records were announced; null means that anything may have happened (a fresh connection). */
  wake(topicId: number | null, partitions: readonly number[]): void;
  /** Every lock is gone. Called before another session begins. */
  lost(): void;
}

/**
 * The one session of a process that lives: it holds the advisory locks and carries the notifications, both ways. Opened
 * anew for ever when it dies.
 *
 * Notifications are sent here and not inside an append: Postgres commits notifying transactions one at a time, fsync
 * included, so appends would wait for one another and for every other user of NOTIFY in the database.
 */
export class LogSession {
  private connection: Connection | null = null;
  private readonly announcements = new Map<number, Set<number>>();
  private announceTimer: NodeJS.Timeout | null = null;
  private announcing = false;
  private reconnectTimer: NodeJS.Timeout | null = null;
  private backoffMs = RECONNECT_MIN_MS;
  private probeTimer: NodeJS.Timeout | null = null;
  private lastError: unknown = null;
  private opened = 0;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly logger: LogWriter,
    private readonly listener: SessionListener,
  ) {}

  /** @throws Error when the first connection fails; later ones are retried for ever */
  async start(timeoutMs: number): Promise<void> {
    await this.connect(timeoutMs);
  }

  get connected(): boolean {
    return this.connection !== null;
  }

  /** Another number means another session: what was locked under the old one is lost. 0 while there is none. */
  get generation(): number {
    return this.connection ? this.opened : 0;
  }

  /** What went wrong last, for a sentence of readiness. */
  get failure(): string {
    return this.lastError instanceof Error ? this.lastError.message : 'the connection was lost';
  }

  /** Tells other processes, within about ANNOUNCE_EVERY_MS, that partitions have new records. Best effort. */
  announce(topicId: number, partitions: readonly number[]): void {
    const known = this.announcements.get(topicId);
    if (known) for (const partition of partitions) known.add(partition);
    else this.announcements.set(topicId, new Set(partitions));
    if (!this.announceTimer && !this.announcing) void this.flushAnnouncements();
  }

  /**
   * Runs a query on the session, locks being what it is for. No session, no query.
   * @throws Error at once while there is none
   */
  async query(text: string, values: unknown[] = [], name?: string): Promise<unknown[][]> {
    if (!this.connection) throw new Error('the session of the event log is away');
    return this.connection.query(text, values, QUERY_TIMEOUT_MS, name);
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.announceTimer) clearTimeout(this.announceTimer);
    if (this.reconnectTimer) clearTimeout(this.reconnectTimer);
    if (this.probeTimer) clearTimeout(this.probeTimer);
    const { connection } = this;
    this.connection = null;
    await connection?.close();
  }

  private async connect(timeoutMs: number): Promise<void> {
    const connection = await Connection.open({
      url: this.url,
      applicationName: 'flatline-log session',
      timeoutMs,
    });
    connection.onNotification((payload, ours) => {
      if (!ours) for (const [topicId, partitions] of decode(payload)) this.listener.wake(topicId, partitions);
    });
    try {
      await connection.query(PREPARE, [], timeoutMs);
    } catch (error) {
      connection.destroy();
      throw error;
    }
    if (this.closed) return connection.close();
    this.connection = connection;
    this.opened += 1;
    this.backoffMs = RECONNECT_MIN_MS;
    connection.onLost(() => this.onLost());
    this.probeSoon(connection);
    this.listener.wake(null, []); // notifications of the time between are lost
  }

  private onLost(): void {
    if (this.closed) return;
    this.connection = null;
    if (this.probeTimer) clearTimeout(this.probeTimer);
    this.logger.warn({}, 'the session of the event log was lost; partitions are given up until it is back');
    this.listener.lost();
    this.reconnectSoon();
  }

  private probeSoon(connection: Connection): void {
    this.probeTimer = setTimeout(() => {
      connection.query('SELECT 1', [], QUERY_TIMEOUT_MS, 'probe').then(
        () => !this.closed && this.probeSoon(connection),
        () => undefined, // the connection is lost, and that is heard of elsewhere
      );
    }, PROBE_EVERY_MS);
  }

  private reconnectSoon(): void {
    this.reconnectTimer = setTimeout(() => {
      this.connect(QUERY_TIMEOUT_MS).catch((error: unknown) => {
        if (this.closed) return;
        this.lastError = error;
        this.logger.warn({ err: error }, 'the session of the event log cannot be opened');
        this.backoffMs = Math.min(this.backoffMs * 2, RECONNECT_MAX_MS);
        this.reconnectSoon();
      });
    }, this.backoffMs);
  }

  private async flushAnnouncements(): Promise<void> {
    this.announceTimer = null;
    if (this.announcements.size === 0 || !this.connection || this.closed) return;
    const payload = encode(this.announcements);
    this.announcements.clear();
    this.announcing = true;
    try {
      await this.query('SELECT pg_notify($1, $2)', [CHANNEL, payload], 'notify');
    } catch (error) {
      // Readers find the records by polling; a lost session says so itself.
      if (this.connection) this.logger.warn({ err: error }, 'new records could not be announced');
    } finally {
      this.announcing = false;
    }
    if (!this.closed) this.announceTimer = setTimeout(() => void this.flushAnnouncements(), ANNOUNCE_EVERY_MS);
  }
}

/** `<topic>:<partition>,<partition> <topic>:...`: a few dozen bytes of the 8000 a notification may have. */
function encode(announcements: ReadonlyMap<number, ReadonlySet<number>>): string {
  return [...announcements].map(([topicId, partitions]) => `${topicId}:${[...partitions].join(',')}`).join(' ');
}

function decode(payload: string): [number, number[]][] {
  return payload.split(' ').map((part) => {
    const [topicId, partitions] = part.split(':');
    return [Number(topicId), (partitions ?? '').split(',').map(Number)];
  });
}

/** A 64-bit advisory lock key from names, as text; other users of advisory locks are told apart by 64 bits of SHA-256. */
export function lockKey(...names: (string | number)[]): string {
  return createHash('sha256')
    .update(JSON.stringify(['flatline_log', ...names]))
    .digest()
    .readBigInt64BE(0)
    .toString();
}
