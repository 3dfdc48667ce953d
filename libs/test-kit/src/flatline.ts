import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

import { eventually } from './eventually';
import { freePort } from './free-port';
import { killTree, processesOn } from './process-tree';
import { reapWithUs } from './reaper';
import type { Reaper } from './reaper';
import { startTestProcess } from './test-process';
import type { TestProcess } from './test-process';

/** The key of the instance administrator wherever a test does not say otherwise. */
export const ADMIN_KEY = 'e2e-admin-key-of-the-tests';

/** What `npm start` and `npm run cluster` run, as the build left it. */
type Product = 'standalone' | 'cluster';

/** The build, whether this file is read from the sources (tests) or is part of it (Jest's global set-up). */
const base = resolve(__dirname, '../../..');
const dist = basename(base) === 'dist' ? base : join(base, 'dist');
const mainOf = (product: Product): string => join(dist, 'apps', product, 'main.js');

/** Of the servers on each data directory: they outlive a Flatline that is killed, and must not outlive the tests. */
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

/** A Flatline with everything in it, as a user starts it: one command, servers of its own, one port on loopback. */
export interface Flatline {
  /** `http://127.0.0.1:<port>` */
  readonly baseUrl: string;
  readonly port: number;
  readonly dataDir: string;
  /** What the user started. */
  readonly process: TestProcess;
  /** Of the embedded Postgres, as its own file says; null when there is none. */
  readonly postgresPid: number | null;
  /** Resolves when `/readyz` answers 200, with the ms since the start. Fails at once when the process ends. */
  ready(options?: { withinMs?: number }): Promise<number>;
  /** SIGTERM and the end, which says how. */
  stop(options?: { withinMs?: number }): ReturnType<TestProcess['stop']>;
  /** kill -9 of the process alone; what it started is left behind. Resolves when it is gone. */
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

/** Removes a data directory. What was left running on it is killed first. */
export function removeDataDir(dataDir: string): void {
  killTree(...processesOn(dataDir), postgresPidOf(dataDir));
  reapers.get(dataDir)?.release();
  reapers.delete(dataDir);
  rmSync(resolve(dataDir, '..'), { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** Starts the product and does not wait. Neither it nor its Postgres outlives the test process. */
export function startFlatline(options: FlatlineOptions = {}): Promise<Flatline> {
  return startProduct('standalone', options);
}

/**
 * Starts the product as a cluster of processes, with a Kafka, a Redis and a Postgres of its own unless `env` names
 * others, and does not wait. None of it outlives the test process. The very first start on a machine fetches Kafka.
 */
export function startCluster(options: FlatlineOptions = {}): Promise<Flatline> {
  return startProduct('cluster', options);
}

async function startProduct(product: Product, options: FlatlineOptions): Promise<Flatline> {
  const dataDir = options.dataDir ?? createDataDir();
  const port = options.port ?? (await freePort());
  const baseUrl = `http://127.0.0.1:${port}`;
  const startedAt = performance.now();
  const child = startTestProcess({
    args: [mainOf(product)],
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
      reapers.set(dataDir, reapWithUs([...processesOn(dataDir), ...(pid === null ? [] : [pid])]));
      return tookMs;
    },
    stop: ({ withinMs = 15_000 } = {}) => child.stop('SIGTERM', { withinMs }),
    kill: async () => {
      await child.stop('SIGKILL');
    },
    killTree: async () => {
      killTree(child.pid, postgresPidOf(dataDir), ...processesOn(dataDir));
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
