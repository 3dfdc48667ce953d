import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { eventually } from './eventually';
import { freePort } from './free-port';
import { isRunning, killTree } from './process-tree';
import { reapWithUs } from './reaper';
import type { Reaper } from './reaper';
import { startTestProcess } from './test-process';
import type { TestProcess } from './test-process';

/** The key of the instance administrator wherever a test does not say otherwise. */
export const ADMIN_KEY = 'e2e-admin-key-of-the-tests';

/** The server that `npm start` runs, as the build left it. */
const MAIN = resolve(__dirname, '../../../dist/apps/standalone/main.js');

/** Of the Postgres of each data directory: it outlives a Flatline that is killed, and must not outlive the tests. */
const reapers = new Map<string, Reaper>();

export interface FlatlineOptions {
  /** Default: a new one, which the test removes with `removeDataDir`. */
  dataDir?: string;
  /** Default: a free one. */
  port?: number;
  /** Added to, or instead of, what {@link startFlatline} sets; an empty value counts as not set. */
  env?: Record<string, string>;
  /** Run it as this user; needs root. */
  user?: { uid: number; gid: number };
}

/** A Flatline with everything in it, as a user starts it: one process, its own Postgres, one port on loopback. */
export interface Flatline {
  /** `http://127.0.0.1:<port>` */
  readonly baseUrl: string;
  readonly port: number;
  readonly dataDir: string;
  readonly process: TestProcess;
  /** Of the embedded Postgres, as its own file says; null when there is none. */
  readonly postgresPid: number | null;
  /** Resolves when `/readyz` answers 200, with the ms since the start. Fails at once when the process ends. */
  ready(options?: { withinMs?: number }): Promise<number>;
  /** SIGTERM and the end, which says how. */
  stop(options?: { withinMs?: number }): ReturnType<TestProcess['stop']>;
  /** kill -9 of the process alone; its Postgres is left behind. Resolves when it is gone. */
  kill(): Promise<void>;
  /** kill -9 of the process and of everything it started. Resolves when it is gone. */
  killTree(): Promise<void>;
}

/** A new, empty data directory. As root, Postgres runs as another user, who must be able to walk through. */
export function createDataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flatline-e2e-'));
  chmodSync(folder, 0o755);
  return join(folder, 'data');
}

/** Removes a data directory. A Postgres that was left behind on it is killed first. */
export function removeDataDir(dataDir: string): void {
  const pid = postgresPidOf(dataDir);
  if (pid !== null && isRunning(pid)) killTree(pid);
  reapers.get(dataDir)?.release();
  reapers.delete(dataDir);
  rmSync(resolve(dataDir, '..'), { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** Starts the product and does not wait. Neither it nor its Postgres outlives the test process. */
export async function startFlatline(options: FlatlineOptions = {}): Promise<Flatline> {
  const dataDir = options.dataDir ?? createDataDir();
  const port = options.port ?? (await freePort());
  const baseUrl = `http://127.0.0.1:${port}`;
  const startedAt = performance.now();
  const child = startTestProcess({
    args: [MAIN],
    env: {
      PORT: String(port),
      FLATLINE_DATA_DIR: dataDir,
      FLATLINE_BOOTSTRAP_API_KEY: ADMIN_KEY,
      ALLOW_PRIVATE_WEBHOOK_TARGETS: 'true',
      ...options.env,
    },
    ...options.user,
  });
  return {
    baseUrl,
    port,
    dataDir,
    process: child,
    get postgresPid() {
      return postgresPidOf(dataDir);
    },
    ready: async ({ withinMs = 40_000 } = {}) => {
      const answer = await eventually(() => (child.ended ? 'ended' : readiness(baseUrl)), { withinMs });
      if (answer === 'ended') throw new Error(`Flatline ended before it was ready:\n${child.lines.join('\n')}`);
      const tookMs = performance.now() - startedAt;
      const pid = postgresPidOf(dataDir);
      reapers.get(dataDir)?.release();
      if (pid !== null) reapers.set(dataDir, reapWithUs(pid));
      return tookMs;
    },
    stop: ({ withinMs = 15_000 } = {}) => child.stop('SIGTERM', { withinMs }),
    kill: async () => {
      await child.stop('SIGKILL');
    },
    killTree: async () => {
      killTree(child.pid, postgresPidOf(dataDir));
      await child.end();
    },
  };
}

function postgresPidOf(dataDir: string): number | null {
  const pid = Number.parseInt(readOrEmpty(join(dataDir, 'postgres', 'postmaster.pid')), 10);
  return Number.isInteger(pid) ? pid : null;
}

async function readiness(baseUrl: string): Promise<'ready'> {
  const response = await fetch(`${baseUrl}/readyz`, { signal: AbortSignal.timeout(5_000) });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`/readyz answers ${response.status} ${body}`);
  return 'ready';
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/**
 * For the top of a test file: one Flatline for its tests, stopped and its data removed after them. Read the fields
 * inside hooks and tests only. The environment may be made in a function when it needs servers that a hook starts.
 */
export function useFlatline(env: Record<string, string> | (() => Record<string, string>) = {}): Flatline {
  let running: Flatline | undefined;
  beforeAll(async () => {
    running = await startFlatline({ env: typeof env === 'function' ? env() : env });
    await running.ready();
  }, 60_000);
  afterAll(async () => {
    if (!running) return;
    await running.stop().catch(() => running?.killTree());
    removeDataDir(running.dataDir);
  }, 30_000);
  return new Proxy({} as Flatline, {
    get: (_target, field: keyof Flatline) => {
      if (!running) throw new Error('Flatline runs only inside hooks and tests');
      return running[field];
    },
  });
}
