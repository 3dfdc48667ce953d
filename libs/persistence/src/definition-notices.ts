import { Client } from 'pg';
import type { EntityManager } from 'typeorm';
import { z } from 'zod';

const CHANNEL = 'flatline_definition';
const RECONNECT_MS = 500;
const CONNECT_TIMEOUT_MS = 5_000;

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
  private session: Client | null = null;
  private queued: DefinitionNotice[] | null = null;
  private stopped = false;
  private reconnecting: NodeJS.Timeout | undefined;
  private starting: Promise<void> | null = null;

  constructor(
    private readonly databaseUrl: string,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Adds a listener and lets it read what there is; connects if nobody did yet. Rejects when that fails. */
  async subscribe(listener: DefinitionListener): Promise<void> {
    await this.start();
    this.listeners.push(listener);
    await listener.onConnected();
  }

  get isConnected(): boolean {
    return this.session !== null && this.queued === null;
  }

  /** Connects; afterwards connections that are lost are made again. Rejects when the first attempt fails. */
  start(): Promise<void> {
    this.starting ??= this.connect();
    return this.starting;
  }

  private async connect(): Promise<void> {
    const session = new Client({
      connectionString: this.databaseUrl,
      application_name: 'flatline-definitions',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    session.on('error', this.onError);
    session.on('end', () => this.lost(session));
    session.on('notification', (message) => this.receive(message.payload ?? ''));
    await session.connect();
    this.session = session;
    this.queued = [];
    await session.query(`LISTEN ${CHANNEL}`);
    for (const listener of this.listeners) await listener.onConnected();
    const queued = this.queued;
    this.queued = null;
    queued.forEach((notice) => this.deliver(notice));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.reconnecting);
    await this.session?.end();
  }

  /**
   * Resolves when this process has heard of the version, or after `withinMs`. A writer waits for its own echo before
   * it answers: the other processes have heard of it by then, as far as Postgres tells them at the same time.
   */
  async echoed(heartbeatId: string, version: number, withinMs: number): Promise<void> {
    if (!this.isConnected) return;
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

  private lost(session: Client): void {
    if (this.session === session) this.session = null;
    if (this.stopped) return;
    this.reconnecting = setTimeout(() => {
      this.connect().catch((error: unknown) => {
        this.onError(error);
        this.lost(session);
      });
    }, RECONNECT_MS);
  }
}
