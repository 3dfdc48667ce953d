import type { DatabaseSession } from './database-session';
import { OUTBOX_NOTIFICATION, OUTBOX_SLOTS } from './outbox';

/** An outbox row that is ready to be appended. */
export interface RelayedEvent {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
  /** Where it belongs in a trace; null where nothing is traced. */
  readonly traceparent: string | null;
}

export interface RelayOptions {
  readonly session: DatabaseSession;
  /** Appends the events in the order given; resolves only when they are durable. May store some twice on failure. */
  readonly publish: (events: readonly RelayedEvent[]) => Promise<void>;
  /** Why the events can never be published, by what `publish` threw; null when trying again may help. */
  readonly refusalOf: (error: unknown) => string | null;
  /** An event went to the dead letters, because it can never be published. */
  readonly onBuried: (event: BuriedEvent) => void;
  readonly onError: (error: unknown) => void;
}

export interface BuriedEvent {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly reason: string;
}

interface OutboxRow {
  seq: string;
  id: string;
  topic: string;
  key: string;
  payload: string;
  traceparent: string | null;
}

const BATCH_ROWS = 500;
const POLL_MS = 1_000;
const RETRY_MS = 500;
/** First key of the advisory locks of slots; any constant of our own will do. */
const SLOT_LOCK_CLASS = 7_310_512;

/**
 * Publishes the outbox: in order per key, each row deleted after its append was acknowledged.
 *
 * 1. The process's session takes the advisory locks of as many slots as are free; a process that dies gives them back
 *    by dying. Every slot has one relay, so "recovered" cannot overtake "down".
 * 2. Woken by NOTIFY of the writers' commits, with a poll as the net.
 * 3. Rows are appended in `seq` order and deleted afterwards. A crash between the two publishes them again, which
 *    consumers absorb by the event's id.
 * 4. A row that can never be published goes to `dead_letter`; what comes after it goes on.
 */
export class OutboxRelay {
  private ownedSlots: number[] = [];
  /** The connection that holds them. */
  private generation = 0;
  private stopped = false;
  private wake: (() => void) | null = null;
  private notified = false;
  private loop: Promise<void> | null = null;

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

  private async run(): Promise<void> {
    const { session } = this.options;
    await session
      .listen({ channel: OUTBOX_NOTIFICATION, onNotification: () => this.notify() })
      .catch(this.options.onError); // without being woken it polls
    for (;;) {
      try {
        await this.takeSlots();
        const published = await this.publishOnce();
        if (this.stopped && published === 0) return await this.giveSlotsBack();
        if (published < BATCH_ROWS) await this.pause(POLL_MS);
      } catch (error) {
        this.options.onError(error);
        if (this.stopped) return;
        this.notified = false;
        await this.pause(RETRY_MS);
      }
    }
  }

  private async giveSlotsBack(): Promise<void> {
    await this.options.session.query('SELECT pg_advisory_unlock($1, slot) FROM unnest($2::int[]) AS slot', [
      SLOT_LOCK_CLASS,
      this.ownedSlots,
    ]);
  }

  private async takeSlots(): Promise<void> {
    const { session } = this.options;
    const { generation } = session;
    if (generation !== this.generation) this.ownedSlots = [];
    this.generation = generation;
    if (this.ownedSlots.length === OUTBOX_SLOTS) return;
    const won = await session.query<{ slot: number }>(
      `SELECT slot FROM generate_series(0, ${OUTBOX_SLOTS - 1}) AS slot
       WHERE NOT slot = ANY($2::int[]) AND pg_try_advisory_lock($1, slot)`,
      [SLOT_LOCK_CLASS, this.ownedSlots],
    );
    if (session.generation === generation) this.ownedSlots.push(...won.map((row) => row.slot));
  }

  private async publishOnce(): Promise<number> {
    this.notified = false;
    const { session } = this.options;
    if (this.ownedSlots.length === 0) return 0;
    const rows = await session.query<OutboxRow>(
      `SELECT seq, id, topic, key, payload, traceparent FROM outbox WHERE slot = ANY($1::int[]) ORDER BY seq LIMIT ${BATCH_ROWS}`,
      [this.ownedSlots],
    );
    if (rows.length === 0) return 0;
    try {
      await this.publishRows(rows);
    } catch (error) {
      if (this.options.refusalOf(error) === null) throw error;
      for (const row of rows) await this.publishOrBury(row);
    }
    return rows.length;
  }

  private async publishRows(rows: readonly OutboxRow[]): Promise<void> {
    const { session, publish } = this.options;
    await publish(rows.map(({ payload, ...row }) => ({ ...row, value: Buffer.from(payload, 'utf8') })));
    await session.query('DELETE FROM outbox WHERE seq = ANY($1::bigint[])', [rows.map((row) => row.seq)]);
  }

  /** One row by itself, so that one the log will never take is put aside and holds up nobody. */
  private async publishOrBury(row: OutboxRow): Promise<void> {
    const { session, refusalOf, onBuried } = this.options;
    try {
      await this.publishRows([row]);
    } catch (error) {
      const reason = refusalOf(error);
      if (reason === null) throw error;
      await session.query(
        `WITH buried AS (DELETE FROM outbox WHERE seq = $1 RETURNING id, topic, key, payload)
         INSERT INTO dead_letter (id, source, topic, key, payload, reason, created_at)
         SELECT id, 'outbox', topic, key, convert_to(payload, 'UTF8'), $2, clock_timestamp() FROM buried`,
        [row.seq, reason],
      );
      onBuried({ id: row.id, topic: row.topic, key: row.key, reason });
    }
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
}
