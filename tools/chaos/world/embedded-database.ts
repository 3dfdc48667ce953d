import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { Pool, type QueryResult, type QueryResultRow } from 'pg';
import { type Database, lookingAt } from './installation';

/** Line of postmaster.pid that holds the port. */
const PORT_LINE = 3;

/** The embedded Postgres of a data directory, on whatever port it is now: each start of Flatline may take another. */
export class EmbeddedDatabase implements Database {
  private readonly pools = new Map<string, Pool>();

  constructor(private readonly dataDir: string) {}

  async query<Row extends QueryResultRow>(sql: string): Promise<QueryResult<Row>> {
    const port = this.read('postgres', 'postmaster.pid').split('\n')[PORT_LINE]?.trim() ?? '';
    return this.poolOn(port).query<Row>(sql);
  }

  async close(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.end()));
  }

  private poolOn(port: string): Pool {
    const known = this.pools.get(port);
    if (known) return known;
    const password = this.read('postgres.password').trim();
    const pool = new Pool(lookingAt(`postgres://flatline:${password}@127.0.0.1:${port}/flatline`));
    pool.on('error', () => undefined); // of a connection that nobody uses, when Postgres is killed
    this.pools.set(port, pool);
    return pool;
  }

  private read(...names: string[]): string {
    return readFileSync(path.join(this.dataDir, ...names), 'utf8');
  }
}
