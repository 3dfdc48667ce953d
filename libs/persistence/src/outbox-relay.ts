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
  readonly session: Pick<DatabaseSession, 'generation' | 'listen' | 'query'>;
  /** Where in the log an event belongs. Events of one place keep their order; places fail one by one. */
  readonly placeOf: (event: Pick<RelayedEvent, 'topic' | 'key'>) => string;
  /**
   * Appends the events in the order given; resolves when it is known what became of them. May store some twice on failure.
   *
   * @returns the places whose events have to be tried again, with the reason; those of all others are durable
   */
  readonly publish: (events: readonly RelayedEvent[]) => Promise<ReadonlyMap<string, unknown>>;
  /** Why the events can never be published, by what `publish` threw; null when trying again may help. */
  readonly refusalOf: (error: unknown) => string | null;
  /** An event went to the dead letters, because it can never be published. */
  readonly onBuried: (event: BuriedEvent) => void;
  readonly onError: (error: unknown) => void;
  /** Monotonic ms. */
  readonly monotonic: () => number;
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
 * 5. A place that does not take its events is left alone for a moment, and so are all later events of that place. What
 *    goes elsewhere is published meanwhile, however much waits before it.
 */
export class OutboxRelay {
  private ownedSlots: number[] = [];
  /** The connection that holds them. */
  private generation = 0;
  /** Until when places that failed are left alone, monotonic ms. */
  private readonly held = new Map<string, number>();
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
        if (published < BATCH_ROWS) await this.pause(this.held.size > 0 ? RETRY_MS : POLL_MS);
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

  /** Goes through all that waits once, page by page, and tells how many rows are gone. */
  private async publishOnce(): Promise<number> {
    this.notified = false;
    if (this.ownedSlots.length === 0) return 0;
    this.letGo();
    let published = 0;
    for (let after = '0'; ;) {
      const rows = await this.options.session.query<OutboxRow>(
        `SELECT seq, id, topic, key, payload, traceparent FROM outbox
         WHERE slot = ANY($1::int[]) AND seq > $2::bigint ORDER BY seq LIMIT ${BATCH_ROWS}`,
        [this.ownedSlots, after],
      );
      published += await this.publishPage(rows);
      const last = rows.at(-1);
      if (!last || rows.length < BATCH_ROWS || this.held.size === 0) return published;
      after = last.seq;
    }
  }

  private async publishPage(rows: readonly OutboxRow[]): Promise<number> {
    try {
      return await this.publishRows(rows);
    } catch (error) {
      if (this.options.refusalOf(error) === null) throw error;
      let published = 0;
      for (const row of rows) published += await this.publishOrBury(row);
      return published;
    }
  }

  /** @returns how many of the rows are published and gone */
  private async publishRows(rows: readonly OutboxRow[]): Promise<number> {
    const { session, publish, placeOf, monotonic, onError } = this.options;
    const offered = rows.filter((row) => !this.held.has(placeOf(row)));
    if (offered.length === 0) return 0;
    const startedAt = monotonic();
    const failed = await publish(
      offered.map(({ payload, ...row }) => ({ ...row, value: Buffer.from(payload, 'utf8') })),
    );
    // As long as it took, so that a place that hangs takes half of the time at most.
    const until = monotonic() + Math.max(RETRY_MS, monotonic() - startedAt);
    for (const [place, error] of failed) {
      this.held.set(place, until);
      onError(error);
    }
    const stored = offered.filter((row) => !failed.has(placeOf(row)));
    if (stored.length === 0) return 0;
    await session.query('DELETE FROM outbox WHERE seq = ANY($1::bigint[])', [stored.map((row) => row.seq)]);
    return stored.length;
  }

  /** Places whose time is up may be tried again. */
  private letGo(): void {
    const now = this.options.monotonic();
    for (const [place, until] of this.held) if (until <= now) this.held.delete(place);
  }

  /** One row by itself, so that one the log will never take is put aside and holds up nobody. */
  private async publishOrBury(row: OutboxRow): Promise<number> {
    const { session, refusalOf, onBuried } = this.options;
    try {
      return await this.publishRows([row]);
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
      return 1;
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
