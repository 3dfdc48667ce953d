import type { DataSource, EntityManager } from 'typeorm';

/**
 * Where a letter comes from: a record of the event log, an event of the outbox, a row of `heartbeat_runtime`, or a
 * message that was given up (`notification`, which stays in its own table).
 */
export type LetterSource = 'log' | 'outbox' | 'heartbeat_runtime' | 'notification';

/** Something that was put aside. */
export interface Letter {
  readonly id: string;
  readonly source: LetterSource;
  /** Of a record, as the log names it; null for others. */
  readonly topic: string | null;
  readonly partition: number | null;
  readonly offset: string | null;
  /** The id of the heartbeat, wherever it could be told. */
  readonly key: string | null;
  readonly reason: string;
  readonly createdAt: Date;
}

const LETTERS = `
  SELECT id, source, topic, partition, log_offset AS "offset", key, reason, created_at AS "createdAt" FROM dead_letter
  UNION ALL
  SELECT id, 'notification', NULL, NULL, NULL, heartbeat_id::text,
    transition || ' by ' || channel_kind || ': ' || coalesce(reason, 'unknown'), finished_at
  FROM notification WHERE status = 'dead'`;

/** So many are in memory at once. */
const PAGE_LETTERS = 1_000;

/** Reads what was put aside. */
export class LetterStore {
  /**
   * Visits all letters, however many there are. Oldest first, so that what is replayed in this order happens in the order
   * in which it should have. Those that are added meanwhile are not among them, or one that is replayed and put aside
   * again would be visited for ever. Holds a connection until it ends.
   *
   * @returns how many there were
   */
  each(dataSource: DataSource, visit: (letter: Letter) => Promise<void>): Promise<number> {
    return dataSource.transaction(async (manager) => {
      await manager.query(
        `DECLARE each_letter NO SCROLL CURSOR FOR SELECT * FROM (${LETTERS}) letters ORDER BY "createdAt", id`,
      );
      let visited = 0;
      for (;;) {
        const page = await manager.query<Letter[]>(`FETCH ${PAGE_LETTERS} FROM each_letter`);
        if (page.length === 0) return visited;
        for (const letter of page) await visit(letter);
        visited += page.length;
      }
    });
  }

  async find(manager: EntityManager, id: string): Promise<Letter | null> {
    const [letter] = await manager.query<Letter[]>(`SELECT * FROM (${LETTERS}) letters WHERE id = $1`, [id]);
    return letter ?? null;
  }

  /** What a letter holds, which may be confidential. */
  async payload(manager: EntityManager, { id, source }: Letter): Promise<Buffer> {
    const [row] = await manager.query<{ payload: Buffer }[]>(
      source === 'notification'
        ? `SELECT convert_to(facts::text, 'UTF8') AS payload FROM notification WHERE id = $1`
        : 'SELECT payload FROM dead_letter WHERE id = $1',
      [id],
    );
    return row?.payload ?? Buffer.alloc(0);
  }

  /** Takes a letter out, and what it holds with it; null when somebody else did so first. */
  async take(manager: EntityManager, id: string): Promise<Buffer | null> {
    const [rows] = await manager.query<[{ payload: Buffer }[], number]>(
      'DELETE FROM dead_letter WHERE id = $1 RETURNING payload',
      [id],
    );
    return rows[0]?.payload ?? null;
  }

  /** Removes a letter for good. A message stays in the log of messages, as one that was discarded. */
  async discard(manager: EntityManager, { id, source }: Letter): Promise<void> {
    if (source !== 'notification') await this.take(manager, id);
    else {
      await manager.query(
        `UPDATE notification SET status = 'suppressed', reason = 'discarded' WHERE id = $1 AND status = 'dead'`,
        [id],
      );
    }
  }
}
