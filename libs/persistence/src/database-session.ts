import { Client } from 'pg';

/** Somebody who listens on the session. */
export interface SessionListener {
  /** The NOTIFY channel; a plain identifier. */
  readonly channel: string;
  /** @param by the process of Postgres that serves whoever notified */
  onNotification(payload: string, by: number): void;
  /** Called for every connection after LISTEN took effect: what was notified before was missed. */
  onConnected?(): Promise<void>;
}

/** There is no connection at the moment; it is being made again. */
export class SessionLost extends Error {
  override readonly name = 'SessionLost';
}

const RECONNECT_MS = 500;
const CONNECT_TIMEOUT_MS = 5_000;
const QUERY_TIMEOUT_MS = 10_000;

/**
 * The one connection of a process that is never pooled: it listens for notifications, and it holds the advisory locks
 * that are to end when the process does, however it does. A connection that is lost is made again; its locks are lost
 * with it, which {@link generation} tells.
 */
export class DatabaseSession {
  private readonly listeners: SessionListener[] = [];
  private client: Client | null = null;
  private starting: Promise<void> | null = null;
  private reconnecting: NodeJS.Timeout | undefined;
  private stopped = false;
  private connections = 0;

  constructor(
    private readonly databaseUrl: string,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Which connection this is, from 1: locks taken under another number are gone. 0 while there is none. */
  get generation(): number {
    return this.client ? this.connections : 0;
  }

  /** Connects; afterwards connections that are lost are made again. Rejects when the first attempt fails. */
  start(): Promise<void> {
    this.starting ??= this.connect();
    return this.starting;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.reconnecting);
    const { client } = this;
    this.client = null;
    await client?.end();
  }

  /** Adds a listener, connecting if nobody did yet. Rejects when that, or what the listener does first, fails. */
  async listen(listener: SessionListener): Promise<void> {
    await this.start();
    this.listeners.push(listener);
    await this.query(`LISTEN ${listener.channel}`);
    await listener.onConnected?.();
  }

  /** Runs a statement on the session. Statements of several callers run one after the other. @throws SessionLost */
  async query<Row extends object>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    if (!this.client) throw new SessionLost('the database session is not connected');
    return (await this.client.query<Row>(sql, parameters)).rows;
  }

  private async connect(): Promise<void> {
    const client = new Client({
      connectionString: this.databaseUrl,
      application_name: 'flatline session',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      options: '-c search_path=flatline -c timezone=UTC',
      keepAlive: true,
    });
    client.on('error', this.onError);
    client.on('end', () => this.lost(client));
    client.on('notification', ({ channel, payload, processId }) => {
      for (const listener of this.listeners) {
        if (listener.channel === channel) listener.onNotification(payload ?? '', processId);
      }
    });
    await client.connect();
    if (this.stopped) return client.end();
    this.client = client;
    this.connections += 1;
    for (const listener of this.listeners) {
      await this.query(`LISTEN ${listener.channel}`);
      await listener.onConnected?.();
    }
  }

  private lost(client: Client): void {
    if (this.client === client) this.client = null;
    if (this.stopped) return;
    clearTimeout(this.reconnecting);
    this.reconnecting = setTimeout(() => {
      this.connect().catch((error: unknown) => {
        this.onError(error);
        this.lost(client);
      });
    }, RECONNECT_MS);
  }
}
