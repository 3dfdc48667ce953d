/** The product as a process of its own: how the bench starts it, waits for it and stops it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { treeOf } from './process-tree.mjs';

/** The repository. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
export const HOST = '127.0.0.1';
const API_KEY = 'tsk_bench_0123456789abcdefghij';

/**
 * What is measured.
 * @typedef {{ name: 'standalone' | 'cluster', host: string, port: number, baseUrl: string, apiKey: string, pid: number,
 *   dataDir: string, readyMs: number, partitions: number, ingests: () => Server[], metricsUrls: (service?: string) => string[], parts: () => Part[],
 *   stop: () => Promise<number | null> }} Target
 *   baseUrl: where users go; readyMs: from the start of the process; ingests: where pings can go directly;
 *   metricsUrls: of every process that counts, or of those of a service; stop: SIGTERM, answers the exit code
 *
 * @typedef {{ host: string, port: number, baseUrl: string }} Server
 *
 * A process that has a share of the costs, with its descendants or (`isAlone`) without. Several may have one name.
 * @typedef {{ name: string, pid: number, isAlone?: boolean }} Part
 */

/** Ends of the products that run, or are being started. */
const running = new Set();

/** Stops every product, whoever started it and however far that is. */
export const stopProducts = () => Promise.all([...running].map((stop) => stop()));

/** @returns {Server} */
export const serverAt = (port) => ({ host: HOST, port, baseUrl: `http://${HOST}:${port}` });

/**
 * @param {{ app: string, dataDir: string, logFile: string, env?: Record<string, string>, nodeArgs?: string[],
 *   readyWithinMs: number, stoppedWithinMs: number }} options
 *   app: of `dist/apps`; logFile: gets what the product prints
 * @returns {Promise<Pick<Target, 'host' | 'port' | 'baseUrl' | 'apiKey' | 'pid' | 'dataDir' | 'readyMs' | 'stop'>>} once /readyz answers 200
 */
export async function startProductProcess({ app, dataDir, logFile, env = {}, nodeArgs = [], ...patience }) {
  const main = path.join(root, 'dist', 'apps', app, 'main.js');
  if (!existsSync(main)) throw new Error(`dist/apps/${app}/main.js is missing: npm run build`);
  const port = await freePort();
  const log = createWriteStream(logFile, { flags: 'a' });
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...nodeArgs, main], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...inheritedEnvironment(),
      PORT: String(port),
      HOST,
      FLATLINE_DATA_DIR: dataDir,
      FLATLINE_BOOTSTRAP_API_KEY: API_KEY,
      ALLOW_PRIVATE_WEBHOOK_TARGETS: 'true',
      LOG_LEVEL: 'warn',
      ...env,
    },
  });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const stop = () => stopTree(child, patience.stoppedWithinMs).finally(() => running.delete(stop));
  running.add(stop);
  try {
    await untilReady(child, serverAt(port).baseUrl, logFile, patience.readyWithinMs);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...serverAt(port), apiKey: API_KEY, pid: child.pid, dataDir, readyMs: performance.now() - startedAt, stop };
}

async function freePort() {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Nothing of the caller's configuration may change what is measured. */
function inheritedEnvironment() {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'USER'];
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

async function untilReady(child, baseUrl, logFile, withinMs) {
  const giveUpAt = performance.now() + withinMs;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`The product ended while it started:\n${readFileSync(logFile, 'utf8').slice(-4_000)}`);
    }
    if (await isReady(baseUrl)) return;
    if (performance.now() > giveUpAt) {
      throw new Error(`Not ready after ${withinMs / 1000} s:\n${readFileSync(logFile, 'utf8').slice(-4_000)}`);
    }
    await sleep(20);
  }
}

export function isReady(baseUrl) {
  return fetch(`${baseUrl}/readyz`).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status === 200;
    },
    () => false, // does not listen yet
  );
}

async function stopTree(child, withinMs) {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const tree = treeOf(child.pid);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const isGone = await Promise.race([exited.then(() => true), sleep(withinMs).then(() => false)]);
  if (!isGone) {
    for (const pid of tree) killQuietly(pid);
    await exited;
  }
  return child.exitCode;
}

function killQuietly(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ended by itself meanwhile
  }
}
