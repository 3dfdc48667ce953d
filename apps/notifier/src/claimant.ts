import type { DatabaseSession } from '@flatline/persistence';
import { v7 as uuidv7 } from 'uuid';

/** First key of the advisory locks of claimants; any constant of our own will do. */
export const CLAIMANT_LOCK_CLASS = 7_310_514;

/**
 * This process as the holder of claims. It proves that it lives by an advisory lock on its database session, which
 * ends when it does, however it does. Others see that at once and need not wait for its claims to expire.
 *
 * The lock only shortens the wait. Without it (the session broke, or was cut) claims hold until they expire, or another
 * takes them early, and then a message may be sent twice under the same key.
 */
export class Claimant {
  readonly id = uuidv7();
  /** The connection that holds the lock; 0 when none does. */
  private generation = 0;

  constructor(private readonly session: Pick<DatabaseSession, 'generation' | 'query'>) {}

  /** Takes the lock, or takes it again when the session was lost. */
  async proveAlive(): Promise<void> {
    const { generation } = this.session;
    if (generation !== 0 && generation === this.generation) return;
    await this.session.query('SELECT pg_advisory_lock_shared($1, hashtext($2))', [CLAIMANT_LOCK_CLASS, this.id]);
    this.generation = generation;
  }

  async end(): Promise<void> {
    if (this.generation === 0 || this.generation !== this.session.generation) return;
    this.generation = 0;
    await this.session.query('SELECT pg_advisory_unlock_shared($1, hashtext($2))', [CLAIMANT_LOCK_CLASS, this.id]);
  }
}
