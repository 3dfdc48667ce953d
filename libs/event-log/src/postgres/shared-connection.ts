import { ConnectionLost, Connection } from './connection';
import type { ConnectionOptions, Row } from './connection';

/** What reads and looks after the log: one connection for all of a process, opened anew when it was lost. */
export class SharedConnection {
  private opening: Promise<Connection> | null = null;
  private closed = false;

  /**
   * @param prepare statements that set the session up
   */
  constructor(
    private readonly options: ConnectionOptions,
    private readonly prepare: string,
  ) {}

  /** Opens when needed. No retry: that is the caller's, who knows what is worth repeating. */
  async query(text: string, values: unknown[] = [], timeoutMs = 5_000, name?: string): Promise<Row[]> {
    const connection = await this.connection();
    return connection.query(text, values, timeoutMs, name);
  }

  async close(): Promise<void> {
    this.closed = true;
    const connection = await this.opening?.catch(() => null);
    await connection?.close();
  }

  private connection(): Promise<Connection> {
    if (this.closed) return Promise.reject(new ConnectionLost('the event log is closed'));
    if (this.opening) return this.opening;
    const opening: Promise<Connection> = this.open(() => {
      if (this.opening === opening) this.opening = null;
    });
    this.opening = opening;
    return opening;
  }

  private async open(forget: () => void): Promise<Connection> {
    try {
      const connection = await Connection.open(this.options);
      connection.onLost(forget);
      await connection.query(this.prepare);
      return connection;
    } catch (error) {
      forget();
      throw error;
    }
  }
}
