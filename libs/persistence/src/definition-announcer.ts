import type { EntityManager } from 'typeorm';
import type { DatabaseSession } from './database-session';
import { DEFINITION_CHANNEL, type DefinitionNotice, FOLLOWER_LOCK, HEARD_CHANNEL, nameOf } from './definition-notices';

/** How long a change waits for a follower that does not acknowledge it: one that is frozen, or cut off. */
const HEARD_WITHIN_MS = 500;

/** A notice that goes out with the commit of a transaction. */
export interface Announced {
  /**
   * Resolves when everybody who follows definitions knows of it, or after {@link HEARD_WITHIN_MS}. Never rejects. To be
   * awaited after the commit.
   */
  readonly heard: Promise<void>;
}

interface Waiting {
  /** Processes of Postgres that serve those who have not acknowledged yet. */
  readonly followers: Set<number>;
  readonly resolve: () => void;
}

/**
 * Tells every process that answers pings of a changed definition, when the transaction commits and only then, and knows
 * when they have heard: followers hold a shared advisory lock, and acknowledge what they hear (`DefinitionNotices`).
 */
export class DefinitionAnnouncer {
  private readonly waiting = new Map<string, Waiting>();
  private isListening = false;

  constructor(
    private readonly session: DatabaseSession,
    private readonly onError: (error: unknown) => void,
  ) {}

  async announce(manager: EntityManager, notice: DefinitionNotice): Promise<Announced> {
    this.listen(); // in effect before the commit; and if not, the limit is
    const [row] = await manager.query<[{ followers: number[] }]>(
      `SELECT pg_notify($1, $2),
              ARRAY(SELECT pid FROM pg_locks
                    WHERE locktype = 'advisory' AND granted AND classid = $3 AND objid = $4 AND objsubid = 2
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS followers`,
      [DEFINITION_CHANNEL, JSON.stringify(notice), ...FOLLOWER_LOCK],
    );
    // Waited for from before the commit: acknowledgements may come back sooner than its own answer.
    return { heard: this.acknowledgements(nameOf(notice), row.followers) };
  }

  private acknowledgements(name: string, followers: readonly number[]): Promise<void> {
    if (followers.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.waiting.get(name)?.resolve(), HEARD_WITHIN_MS);
      this.waiting.set(name, {
        followers: new Set(followers),
        resolve: () => {
          clearTimeout(timer);
          this.waiting.delete(name);
          resolve();
        },
      });
    });
  }

  /** Begins to listen with the first change. A connection that is lost is made again by the session. */
  private listen(): void {
    if (this.isListening) return;
    this.isListening = true;
    const onNotification = (names: string, by: number): void => this.noteHeard(names.split(' '), by);
    this.session.listen({ channel: HEARD_CHANNEL, onNotification }).catch((error: unknown) => {
      this.isListening = false;
      this.onError(error);
    });
  }

  private noteHeard(names: readonly string[], by: number): void {
    for (const name of names) {
      const waiting = this.waiting.get(name);
      waiting?.followers.delete(by);
      if (waiting?.followers.size === 0) waiting.resolve();
    }
  }
}
