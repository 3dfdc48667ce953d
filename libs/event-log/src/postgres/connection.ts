import type { Socket } from 'node:net';
import { Client, DatabaseError } from 'pg';

/** The connection broke, or was destroyed because an answer did not come in time: what was sent has an unknown fate. */
export class ConnectionLost extends Error {
  override name = 'ConnectionLost';
}

export interface ConnectionOptions {
  readonly url: string;
  /** Shown in pg_stat_activity; at most 63 characters. */
  readonly applicationName: string;
  /** Limit for connecting, in ms. */
  readonly timeoutMs: number;
}

export type Row = unknown[];

/**
 * One Postgres session in which nothing waits for ever: a query that is not answered in its time destroys the
 * connection. Queries run one after another in the order of the calls.
 */
export class Connection {
  private tail: Promise<unknown> = Promise.resolve();
  private lostBecause: Error | null = null;
  private ending = false;
  private readonly lostListeners: (() => void)[] = [];

  private constructor(private readonly client: Client) {
    client.on('error', (error) => this.lose(error));
    client.on('end', () => this.lose(new Error('the server ended the connection')));
  }

  /** @throws Error when the server cannot be reached, refuses, or does not answer within the limit */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const client = new Client({
      connectionString: options.url,
      application_name: options.applicationName,
      connectionTimeoutMillis: Math.max(1, Math.ceil(options.timeoutMs)),
      keepAlive: true,
    });
    const connection = new Connection(client);
    try {
      await client.connect();
    } catch (error) {
      connection.destroy();
      throw new Error('the database of the event log cannot be reached', { cause: error });
    }
    return connection;
  }

  get lost(): boolean {
    return this.lostBecause !== null;
  }

  /** Called once, when the connection is gone for whatever reason but `close`. */
  onLost(listener: () => void): void {
    if (this.lost) listener();
    else this.lostListeners.push(listener);
  }

  onNotification(listener: (payload: string, ours: boolean) => void): void {
    const ownProcessId = (this.client as unknown as { processID: number | null }).processID;
    this.client.on('notification', ({ payload, processId }) => listener(payload ?? '', processId === ownProcessId));
  }

  /**
   * Rows as arrays, in the text form node-postgres parses (bigint as string).
   *
   * @param name keeps the statement prepared under this name; the text of a name never changes
   * @throws ConnectionLost as soon as the connection is gone or `timeoutMs` (of waiting included) are over
   * @throws DatabaseError the server refused the statement
   */
  async query(text: string, values: unknown[] = [], timeoutMs = 5_000, name?: string): Promise<Row[]> {
    const turn = this.tail;
    const answer = this.answerWithin(turn, text, values, timeoutMs, name);
    this.tail = answer.catch(() => undefined);
    return answer;
  }

  private async answerWithin(
    turn: Promise<unknown>,
    text: string,
    values: unknown[],
    timeoutMs: number,
    name: string | undefined,
  ): Promise<Row[]> {
    const timer = setTimeout(() => this.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      await turn;
      if (this.lostBecause) throw this.lostBecause;
      const result = await this.client.query<Row>({ text, values, name, rowMode: 'array' });
      return result.rows ?? []; // several statements in one text answer no rows
    } catch (error) {
      if (!this.lostBecause && error instanceof DatabaseError && isRefusal(error)) throw error;
      this.destroy(error instanceof Error ? error : undefined);
      throw new ConnectionLost('the connection to the event log was lost', { cause: this.lostBecause ?? error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Cuts the connection at once, whatever is running. */
  destroy(because: Error = new Error('the connection was given up')): void {
    this.lose(because);
    const { stream } = (this.client as unknown as { connection: { stream: Socket } }).connection;
    stream.destroy();
  }

  /** Ends the session politely after what is running; cuts it when that takes longer than a second. */
  async close(): Promise<void> {
    this.ending = true;
    const timer = setTimeout(() => this.destroy(), 1_000);
    try {
      await this.tail;
      if (!this.lost) await this.client.end();
    } catch (error) {
      this.lose(error instanceof Error ? error : new Error(String(error)));
    } finally {
      clearTimeout(timer);
    }
  }

  private lose(because: Error): void {
    if (this.lostBecause) return;
    this.lostBecause = because;
    if (this.ending) return;
    for (const listener of this.lostListeners.splice(0)) listener();
  }
}

/**
 * Whether the server says of one statement that it had no effect. FATAL and PANIC end the session, and whether the
 * commit came before is not known; neither is it after class 08 (connection) and 57P (shutdown).
 */
function isRefusal(error: DatabaseError): boolean {
  return error.severity === 'ERROR' && !/^(08|57P)/.test(error.code ?? '');
}

/** SQLSTATE of a server's refusal, or null. */
export function sqlState(error: unknown): string | null {
  return error instanceof DatabaseError ? (error.code ?? null) : null;
}
