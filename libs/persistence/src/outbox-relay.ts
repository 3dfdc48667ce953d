import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { OUTBOX_NOTIFICATION, OUTBOX_SLOTS } from './outbox';

/** An outbox row that is ready to be appended. */
export interface RelayedEvent {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
}

export interface RelayOptions {
  readonly dataSource: DataSource;
  readonly databaseUrl: string;
  /** Appends the events in the order given; resolves only when they are durable. May store some twice on failure. */
  readonly publish: (events: readonly RelayedEvent[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

interface OutboxRow {
  seq: string;
  topic: string;
  key: string;
  payload: string;
}

const BATCH_ROWS = 500;
const POLL_MS = 1_000;
const RETRY_MS = 500;
const CONNECT_TIMEOUT_MS = 5_000;
/** First key of the advisory locks of slots; any constant of our own will do. */
const SLOT_LOCK_CLASS = 7_310_512;

/**
 * Publishes the outbox: in order per key, each row deleted after its append was acknowledged.
 *
 * 1. A session of its own takes the advisory locks of as many slots as are free; a process that dies gives them back
 *    by dying. Every slot has one relay, so "recovered" cannot overtake "down".
 * 2. Woken by NOTIFY of the writers' commits, with a poll as the net.
 * 3. Rows are appended in `seq` order and deleted afterwards. A crash between the two publishes them again, which
 *    consumers absorb by the event's id.
 */
export class OutboxRelay {
  private session: Client | null = null;
  private ownedSlots: number[] = [];
  private stopped = false;
  private wake: (() => void) | null = null;
  private notified = false;
  private loop: Promise<void> | null = null;
  private publishing = false;

  constructor(private readonly options: RelayOptions) {}

  start(): void {
    this.loop ??= this.run();
  }

  /** Publishes what is committed up to now as far as possible, then gives the slots back. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.wake?.();
    await this.loop;
  }

  /** Whether this process currently relays anything. */
  get isRelaying(): boolean {
    return this.session !== null && this.publishing;
  }

  private async run(): Promise<void> {
    for (;;) {
      try {
        await this.takeSlots();
        this.publishing = true;
        const published = await this.publishOnce();
        if (this.stopped && published === 0) break;
        if (published < BATCH_ROWS) await this.pause(POLL_MS);
      } catch (error) {
        this.publishing = false;
        this.options.onError(error);
        await this.dropSession();
        if (this.stopped) break;
        await this.pause(RETRY_MS);
      }
    }
    await this.dropSession();
  }

  private async takeSlots(): Promise<void> {
    if (!this.session) {
      const session = new Client({
        connectionString: this.options.databaseUrl,
        application_name: 'flatline-outbox',
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        keepAlive: true,
      });
      session.on('notification', () => this.notify());
      session.on('error', (error) => {
        if (this.session === session) this.session = null;
        this.options.onError(error);
        this.notify();
      });
      await session.connect();
      this.ownedSlots = [];
      this.session = session;
      await session.query(`LISTEN ${OUTBOX_NOTIFICATION}`);
    }
    if (this.ownedSlots.length === OUTBOX_SLOTS) return;
    const { rows } = await this.session.query<{ slot: number }>(
      `SELECT slot FROM generate_series(0, ${OUTBOX_SLOTS - 1}) AS slot
       WHERE NOT slot = ANY($2::int[]) AND pg_try_advisory_lock($1, slot)`,
      [SLOT_LOCK_CLASS, this.ownedSlots],
    );
    this.ownedSlots.push(...rows.map((row) => row.slot));
  }

  private async publishOnce(): Promise<number> {
    this.notified = false;
    const session = this.session;
    if (!session || this.ownedSlots.length === 0) return 0;
    const { rows } = await session.query<OutboxRow>(
      `SELECT seq, topic, key, payload FROM flatline.outbox WHERE slot = ANY($1::int[]) ORDER BY seq LIMIT ${BATCH_ROWS}`,
      [this.ownedSlots],
    );
    if (rows.length === 0) return 0;
    await this.options.publish(
      rows.map((row) => ({ topic: row.topic, key: row.key, value: Buffer.from(row.payload, 'utf8') })),
    );
    await session.query('DELETE FROM flatline.outbox WHERE seq = ANY($1::bigint[])', [rows.map((row) => row.seq)]);
    return rows.length;
  }

  private notify(): void {
    this.notified = true;
    this.wake?.();
  }

  private async pause(ms: number): Promise<void> {
    if (this.notified || this.stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
  }

  private async dropSession(): Promise<void> {
    const session = this.session;
    this.session = null;
    this.ownedSlots = [];
    await session?.end().catch((error: unknown) => this.options.onError(error));
  }
}
