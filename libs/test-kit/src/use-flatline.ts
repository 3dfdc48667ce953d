import { readFileSync } from 'node:fs';

import { type Flatline, removeDataDir, startCluster, startFlatline } from './flatline';
import { isRunning } from './process-tree';
import type { TestProcess } from './test-process';

/** Names a cluster that all test files of a run share, see {@link shareCluster}; set by Jest's global set-up. */
const SHARED_CLUSTER = 'FLATLINE_TEST_CLUSTER';

type Environment = Record<string, string> | (() => Record<string, string>);

/** What the other test files are told of a running cluster. */
interface SharedCluster {
  readonly baseUrl: string;
  readonly port: number;
  readonly dataDir: string;
  readonly pid: number;
  /** Holds what it has printed so far. */
  readonly outputFile: string;
}

/** Lets the test files of this Jest run use a cluster; `outputFile` gets what the cluster prints. */
export function shareCluster({ baseUrl, port, dataDir, process: { pid } }: Flatline, outputFile: string): void {
  const shared: SharedCluster = { baseUrl, port, dataDir, pid, outputFile };
  process.env[SHARED_CLUSTER] = JSON.stringify(shared);
}

/**
 * For the top of a test file: one Flatline for its tests, stopped and its data removed after them. Read the fields
 * inside hooks and tests only. The environment may be made in a function when it needs servers that a hook starts.
 *
 * In the Jest project `e2e-cluster` it is a cluster: the one that all files share, or, with settings, one of its own.
 */
export function useFlatline(env?: Environment): Flatline {
  let running: Flatline | undefined;
  let isShared = false;
  beforeAll(async () => {
    const shared = process.env[SHARED_CLUSTER];
    isShared = isClusterRun() && env === undefined && shared !== undefined;
    if (isShared) running = attached(JSON.parse(shared!) as SharedCluster);
    else {
      const start = isClusterRun() ? startCluster : startFlatline;
      running = await start({ env: typeof env === 'function' ? env() : (env ?? {}) });
      await running.ready({ withinMs: 90_000 });
    }
  }, 120_000);
  afterAll(async () => {
    if (!running || isShared) return;
    await running.stop().catch(() => running?.killTree());
    removeDataDir(running.dataDir);
  }, 60_000);
  return new Proxy({} as Flatline, {
    get: (_target, field: keyof Flatline) => {
      if (!running) throw new Error('Flatline runs only inside hooks and tests');
      return running[field];
    },
  });
}

/** Set by the Jest project, see jest.config.js. */
function isClusterRun(): boolean {
  return (globalThis as { flatlineDeployment?: string }).flatlineDeployment === 'cluster';
}

/** Somebody else's cluster: to be used and looked at, not to be stopped. */
function attached({ baseUrl, port, dataDir, pid, outputFile }: SharedCluster): Flatline {
  const notOurs = (): never => {
    throw new Error('all test files share this cluster; start one of your own to stop it');
  };
  const seen: Pick<TestProcess, 'pid' | 'lines' | 'ended'> = {
    pid,
    get lines() {
      return readFileSync(outputFile, 'utf8').split('\n');
    },
    get ended() {
      return isRunning(pid) ? null : { code: null, signal: null };
    },
  };
  const ours = new Set(Object.keys(seen));
  return {
    ...{ baseUrl, port, dataDir, postgresPid: null },
    process: new Proxy(seen as TestProcess, {
      get: (target, field: keyof TestProcess) => (ours.has(field) ? target[field] : notOurs()),
    }),
    ready: async () => 0,
    ...{ stop: notOurs, kill: notOurs, killTree: notOurs },
  };
}
