/** The product as `npm start` runs it, with data of its own in a temporary folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { treeOf } from './process-tree.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const main = path.join(root, 'dist', 'apps', 'standalone', 'main.js');
const API_KEY = 'tsk_bench_0123456789abcdefghij';
const READY_WITHIN_MS = 120_000;
const STOPPED_WITHIN_MS = 15_000;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @param {{ dataDir: string, logFile: string, nodeArgs?: string[] }} options logFile: gets what the product prints
 * @returns {Promise<Target>} once /readyz answers 200
 *
 * @typedef {{ name: string, host: string, port: number, baseUrl: string, apiKey: string, pid: number,
 *   readyMs: number, stop: () => Promise<number | null> }} Target
 *   readyMs: from the start of the process; stop: SIGTERM, answers the exit code
 */
export async function startStandalone({ dataDir, logFile, nodeArgs = [] }) {
  if (!existsSync(main)) throw new Error('dist/apps/standalone/main.js is missing: npm run build');
  const port = await freePort();
  const log = createWriteStream(logFile, { flags: 'a' });
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...nodeArgs, main], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...inheritedEnvironment(),
      PORT: String(port),
      HOST: '127.0.0.1',
      FLATLINE_DATA_DIR: dataDir,
      FLATLINE_BOOTSTRAP_API_KEY: API_KEY,
      ALLOW_PRIVATE_WEBHOOK_TARGETS: 'true',
      LOG_LEVEL: 'warn',
    },
  });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const baseUrl = `http://127.0.0.1:${port}`;
  try {
    await untilReady(child, baseUrl, logFile);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return {
    name: 'standalone',
    host: '127.0.0.1',
    port,
    baseUrl,
    apiKey: API_KEY,
    pid: child.pid,
    readyMs: performance.now() - startedAt,
    stop: () => stop(child),
  };
}

/** Nothing of the caller's configuration may change what is measured. */
function inheritedEnvironment() {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'USER'];
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

async function untilReady(child, baseUrl, logFile) {
  const giveUpAt = performance.now() + READY_WITHIN_MS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`The product ended while it started:\n${readFileSync(logFile, 'utf8').slice(-4_000)}`);
    }
    const isReady = await fetch(`${baseUrl}/readyz`).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status === 200;
      },
      () => false, // does not listen yet
    );
    if (isReady) return;
    if (performance.now() > giveUpAt) {
      throw new Error(`Not ready after ${READY_WITHIN_MS / 1000} s:\n${readFileSync(logFile, 'utf8').slice(-4_000)}`);
    }
    await sleep(20);
  }
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const tree = treeOf(child.pid);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const isGone = await Promise.race([exited.then(() => true), sleep(STOPPED_WITHIN_MS).then(() => false)]);
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
