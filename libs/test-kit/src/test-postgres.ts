import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startEmbeddedPostgres } from '@flatline/embedded-postgres';

import { childrenOf } from './process-tree';
import { reapWithUs } from './reaper';

export interface TestPostgres {
  /** Connection string of the maintenance database, superuser. */
  url: string;
  pid: number;
  port: number;
  /** Stops every process of the server where it stands, as a hanging disk would. */
  freeze(): void;
  /** Lets a frozen server go on. */
  thaw(): void;
  /** kill -9 of every process of the server but the first, which recovers as after a crash: some tenths of a second. */
  crash(): void;
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
      signalAll(postgres.pid, 'SIGCONT');
      await postgres.stop();
      reaper.release();
      rmSync(folder, { recursive: true, force: true });
    };
    return {
      url: postgres.url,
      pid: postgres.pid,
      port: postgres.port,
      freeze: () => signalAll(postgres.pid, 'SIGSTOP'),
      thaw: () => signalAll(postgres.pid, 'SIGCONT'),
      crash: () => signal(childrenOf(postgres.pid), 'SIGKILL'),
      stop: () => (stopping ??= stop()),
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the test Postgres did not start: ${reason}\n${lines.slice(-20).join('\n')}`, { cause: error });
  }
}

/** Signals the server and all its children, the parent first. */
function signalAll(pid: number, name: NodeJS.Signals): void {
  signal([pid, ...childrenOf(pid)], name);
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const each of pids) {
    try {
      process.kill(each, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
