import type { DataSource, QueryRunner } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';

/** First key of the advisory locks of claimants; any constant of our own will do. */
export const CLAIMANT_LOCK_CLASS = 7_310_513;

/**
 * This process as the holder of claims. It proves that it lives by an advisory lock on a session of its own, which
 * ends when it does, however it does. Others see that at once and need not wait for its claims to expire.
 *
 * The lock only shortens the wait. Without it (the session broke, or was cut) claims hold until they expire, or another
 * takes them early, and then a message may be sent twice under the same key.
 */
export class Claimant {
  readonly id = uuidv7();
  private session: QueryRunner | null = null;

  constructor(private readonly dataSource: DataSource) {}

  /** Takes the lock, or takes it again when the session was lost. */
  async proveAlive(): Promise<void> {
    if (this.session && !(await this.isHeldBy(this.session))) await this.end();
    if (this.session) return;
    const session = this.dataSource.createQueryRunner();
    try {
      await session.query('SELECT pg_advisory_lock_shared($1, hashtext($2))', [CLAIMANT_LOCK_CLASS, this.id]);
      this.session = session;
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  async end(): Promise<void> {
    const { session } = this;
    this.session = null;
    if (!session) return;
    try {
      await session.query('SELECT pg_advisory_unlock_shared($1, hashtext($2))', [CLAIMANT_LOCK_CLASS, this.id]);
    } catch {
      // The session is gone, and the lock with it.
    }
    await session.release();
  }

  private async isHeldBy(session: QueryRunner): Promise<boolean> {
    try {
      const held: unknown = await session.query(
        `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = $1`,
        [CLAIMANT_LOCK_CLASS],
      );
      return Array.isArray(held) && held.length > 0;
    } catch {
      return false; // whatever is wrong with the session, a new one is the cure
    }
  }
}
