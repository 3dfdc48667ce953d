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

interface Listening {
  readonly listener: SessionListener;
  /** The connection it was begun on; null: none yet. */
  client: Client | null;
  readonly begun: () => void;
  readonly givenUp: (reason: SessionLost) => void;
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
  private readonly listenings: Listening[] = [];
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

  /** Connects; afterwards connections that are lost are made again. Rejects when it fails, and may be tried again. */
  start(): Promise<void> {
    this.starting ??= this.connect().catch((error: unknown) => {
      this.starting = null;
      throw error;
    });
    return this.starting;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.reconnecting);
    for (const { givenUp } of this.listenings) givenUp(new SessionLost('the database session was stopped'));
    const { client } = this;
    this.client = null;
    await client?.end();
  }

  /**
   * Adds a listener, connecting if nobody did yet. Resolves once it listens, over however many connections; what fails
   * meanwhile goes to `onError`. Rejects when the first connection fails, or when the session is stopped.
   */
  async listen(listener: SessionListener): Promise<void> {
    await this.start();
    await new Promise<void>((begun, givenUp) => {
      const listening = { listener, client: null, begun, givenUp };
      this.listenings.push(listening);
      if (this.client) void this.begin(listening, this.client);
    });
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
      for (const { listener } of this.listenings) {
        if (listener.channel === channel) listener.onNotification(payload ?? '', processId);
      }
    });
    await client.connect();
    if (this.stopped) return client.end();
    this.client = client;
    this.connections += 1;
    for (const listening of this.listenings) await this.begin(listening, client);
  }

  /** A connection on which that fails is given up: its end makes a new one, on which it is tried again. */
  private async begin(listening: Listening, client: Client): Promise<void> {
    if (listening.client === client || this.client !== client) return;
    listening.client = client;
    try {
      await client.query(`LISTEN ${listening.listener.channel}`);
      await listening.listener.onConnected?.();
      listening.begun();
    } catch (error) {
      this.onError(error);
      await client.end().catch(this.onError);
    }
  }

  private lost(client: Client): void {
    if (this.client !== client) return;
    this.client = null;
    if (!this.stopped) this.reconnect();
  }

  private reconnect(): void {
    this.reconnecting = setTimeout(() => {
      this.connect().catch((error: unknown) => {
        this.onError(error);
        if (!this.stopped) this.reconnect();
      });
    }, RECONNECT_MS);
  }
}
