import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import type { DatabaseSession } from './database-session';

const CHANNEL = 'flatline_definition';

const definitionNotice = z.object({
  heartbeatId: z.string(),
  version: z.number().int(),
  paused: z.boolean(),
  deleted: z.boolean(),
  tokenGeneration: z.number().int(),
});

/** What an ingest has to know of a heartbeat to answer its pings. */
export type DefinitionNotice = z.infer<typeof definitionNotice>;

/** Tells every listening process of a changed definition, when the transaction commits and only then. */
export async function announceDefinition(manager: EntityManager, notice: DefinitionNotice): Promise<void> {
  await manager.query(`SELECT pg_notify('${CHANNEL}', $1)`, [JSON.stringify(notice)]);
}

export interface DefinitionListener {
  onNotice(notice: DefinitionNotice): void;
  /** The connection is new: notices may have been missed, read everything again. Notices wait until it is done. */
  onConnected(): Promise<void>;
}

/**
 * Carries changes of definitions to the processes that answer pings, within a millisecond or so of the commit: a
 * person who pauses a heartbeat and pings it sees `paused`. Nothing that decides about deadlines rests on it (the
 * scheduler reads definitions from the topic and the table), so a notice that is lost costs an outdated answer, never
 * a wrong alert; after a lost connection everything is read anew.
 */
export class DefinitionNotices {
  private readonly listeners: DefinitionListener[] = [];
  private readonly echoes = new Map<string, { version: number; resolve: () => void }[]>();
  /** Notices that came while a listener reads everything; null when none does. */
  private queued: DefinitionNotice[] | null = null;
  private listening: Promise<void> | null = null;

  constructor(
    private readonly session: DatabaseSession,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Adds a listener and lets it read what there is. Rejects when the first connection fails. */
  async subscribe(listener: DefinitionListener): Promise<void> {
    await this.start();
    this.listeners.push(listener);
    await this.readAnew([listener]);
  }

  /** Begins to listen; called twice it does nothing more. */
  start(): Promise<void> {
    this.listening ??= this.session.listen({
      channel: CHANNEL,
      onNotification: (payload) => this.receive(payload),
      onConnected: () => this.readAnew(this.listeners),
    });
    return this.listening;
  }

  private async readAnew(listeners: readonly DefinitionListener[]): Promise<void> {
    this.queued = [];
    try {
      for (const listener of listeners) await listener.onConnected();
    } finally {
      const { queued } = this;
      this.queued = null;
      queued?.forEach((notice) => this.deliver(notice));
    }
  }

  /**
   * Resolves when this process has heard of the version, or after `withinMs`. A writer waits for its own echo before
   * it answers: the other processes have heard of it by then, as far as Postgres tells them at the same time.
   */
  async echoed(heartbeatId: string, version: number, withinMs: number): Promise<void> {
    if (!this.listening || this.session.generation === 0) return;
    await new Promise<void>((resolve) => {
      const waiting = { version, resolve: () => {} };
      const timer = setTimeout(() => waiting.resolve(), withinMs);
      waiting.resolve = () => {
        clearTimeout(timer);
        this.forget(heartbeatId, waiting);
        resolve();
      };
      this.echoes.set(heartbeatId, [...(this.echoes.get(heartbeatId) ?? []), waiting]);
    });
  }

  private forget(heartbeatId: string, waiting: object): void {
    const left = this.echoes.get(heartbeatId)?.filter((each) => each !== waiting) ?? [];
    if (left.length > 0) this.echoes.set(heartbeatId, left);
    else this.echoes.delete(heartbeatId);
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
    for (const listener of this.listeners) listener.onNotice(notice);
    for (const waiting of this.echoes.get(notice.heartbeatId) ?? []) {
      if (waiting.version <= notice.version) waiting.resolve();
    }
  }
}
