import { z } from 'zod';
import type { DatabaseSession } from './database-session';

/** The NOTIFY channel on which changes of definitions are announced, and the one on which they are acknowledged. */
export const DEFINITION_CHANNEL = 'flatline_definition';
export const HEARD_CHANNEL = 'flatline_heard';

/** Keys of the advisory lock that everybody shares who follows definitions; any constants of our own will do. */
export const FOLLOWER_LOCK: readonly [number, number] = [1_718_381_940, 1];

const definitionNotice = z.object({
  heartbeatId: z.string(),
  version: z.number().int(),
  paused: z.boolean(),
  deleted: z.boolean(),
  tokenGeneration: z.number().int(),
});

/** What an ingest has to know of a heartbeat to answer its pings. */
export type DefinitionNotice = z.infer<typeof definitionNotice>;

/** Names a notice among all that there ever were. */
export function nameOf({ heartbeatId, version }: Pick<DefinitionNotice, 'heartbeatId' | 'version'>): string {
  return `${heartbeatId}:${version}`;
}

export interface DefinitionListener {
  onNotice(notice: DefinitionNotice): void;
  /** The connection is new: notices may have been missed, read everything again. Notices wait until it is done. */
  onConnected(): Promise<void>;
}

/** Acknowledged at once: the payload of NOTIFY ends at 8,000 bytes, a name has 37 and some digits. */
const ACKNOWLEDGED_AT_ONCE = 100;

/**
 * Follows changes of definitions in a process that answers pings, and acknowledges each to whoever made it
 * (`DefinitionAnnouncer`): a person who pauses a heartbeat and pings it sees `paused`. Nothing that decides about
 * deadlines rests on it (the scheduler reads definitions from the topic and the table), so a notice that is lost costs an
 * outdated answer, never a wrong alert; after a lost connection everything is read anew.
 */
export class DefinitionNotices {
  private listener: DefinitionListener | null = null;
  /** Notices that came while the listener reads everything; null when it does not. */
  private queued: DefinitionNotice[] | null = null;
  /** Names of notices the listener knows and their announcers do not know it of. */
  private unacknowledged: string[] = [];
  private acknowledging = false;

  constructor(
    private readonly session: DatabaseSession,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Lets the listener of this process read what there is, and follow. Rejects when the first connection fails. */
  async follow(listener: DefinitionListener): Promise<void> {
    if (this.listener) throw new Error('definitions are followed already');
    this.listener = listener;
    await this.session.listen({
      channel: DEFINITION_CHANNEL,
      onNotification: (payload) => this.receive(payload),
      onConnected: () => this.readAnew(listener),
    });
  }

  private async readAnew(listener: DefinitionListener): Promise<void> {
    this.queued = [];
    try {
      // From before the reading on, so that nobody thinks of a change as known that was not read.
      await this.session.query('SELECT pg_advisory_lock_shared($1, $2)', [...FOLLOWER_LOCK]);
      await listener.onConnected();
    } finally {
      const { queued } = this;
      this.queued = null;
      queued?.forEach((notice) => this.deliver(notice));
    }
  }

  private receive(payload: string): void {
    let candidate: unknown;
    try {
      candidate = JSON.parse(payload);
    } catch (error) {
      this.onError(error);
      return;
    }
    const parsed = definitionNotice.safeParse(candidate);
    if (!parsed.success) this.onError(parsed.error);
    else if (this.queued) this.queued.push(parsed.data);
    else this.deliver(parsed.data);
  }

  private deliver(notice: DefinitionNotice): void {
    this.listener?.onNotice(notice);
    this.unacknowledged.push(nameOf(notice));
    if (!this.acknowledging) void this.acknowledge();
  }

  private async acknowledge(): Promise<void> {
    this.acknowledging = true;
    try {
      while (this.unacknowledged.length > 0) {
        const names = this.unacknowledged.splice(0, ACKNOWLEDGED_AT_ONCE);
        await this.session.query('SELECT pg_notify($1, $2)', [HEARD_CHANNEL, names.join(' ')]);
      }
    } catch (error) {
      this.onError(error); // who waits for it waits for its limit
    } finally {
      this.acknowledging = false;
    }
  }
}
