import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startEmbeddedPostgres } from '@flatline/embedded-postgres';

import { reapWithUs } from './reaper';

export interface TestPostgres {
  /** Connection string of the maintenance database, superuser. */
  url: string;
  pid: number;
  port: number;
  /** Stops the server and removes its data. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a real Postgres in a folder of its own below the system's temporary folder, on a free port. It ends with this
 * process, even when that is killed. Most tests want `useTestDatabase()`, which shares one server per jest run.
 *
 * Durability settings are the product's own: what a test measures of commits is true of the product.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'flatline-test-postgres-'));
  chmodSync(folder, 0o755); // root's Postgres runs as another user, who must be able to walk through
  const lines: string[] = [];
  try {
    const postgres = await startEmbeddedPostgres({
      dataDir: join(folder, 'data'),
      settings: { max_connections: 200 }, // several test files, each with pools of its own
      onLog: (line: string) => {
        lines.push(line);
        if (lines.length > 200) lines.shift();
      },
      onExit: () => undefined,
    });
    const reaper = reapWithUs(postgres.pid, folder);
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await postgres.stop();
      reaper.release();
      rmSync(folder, { recursive: true, force: true });
    };
    return {
      url: postgres.url,
      pid: postgres.pid,
      port: postgres.port,
      stop: () => (stopping ??= stop()),
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the test Postgres did not start: ${reason}\n${lines.slice(-20).join('\n')}`, { cause: error });
  }
}
