/**
 * Install, build, run (see start.mjs).
 *
 * Who ends what. package.json says `exec node tools/start.mjs`, so that no shell stands between npm and this process:
 * npm passes SIGTERM and SIGINT on to its child and reports the child's exit code as its own, where a shell would die of
 * the signal and leave us behind. The server runs in this process, so a signal reaches it directly:
 *
 *   1. until the server has its own signal handlers, ours end npm ci or the build and exit 0;
 *   2. from then on ours do nothing (two would race);
 *   3. when npm itself is killed nothing is passed on, but our parent changes: that counts as SIGTERM;
 *   4. a closed terminal (SIGHUP) counts as SIGTERM too, or Postgres would be left behind.
 *
 * A Ctrl-C arrives twice, from the terminal and from npm; the server takes the second for the first.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isUpToDate } from './build.mjs';
import { ensureInstalled } from './install.mjs';

const tools = path.dirname(fileURLToPath(import.meta.url));
const mainOf = (app) => path.resolve(tools, '..', 'dist', 'apps', app, 'main.js');
const parentCheckEveryMs = 500;

const stop = new AbortController();

let serverHasSignals = false;

function onSignal(signal) {
  // Remembered, because a server that used `once` has no listener left when npm's second SIGINT comes.
  serverHasSignals ||= process.listenerCount(signal) > 1;
  if (!serverHasSignals) stop.abort();
}

function watchParent() {
  if (!process.env.npm_lifecycle_event) return; // started by hand, perhaps to outlive its shell
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid === parent) return;
    process.kill(process.pid, 'SIGTERM');
  }, parentCheckEveryMs).unref();
}

/** In a process of its own: the compiler's memory would stay with the server for its whole life. */
function buildInChild() {
  const child = spawn(process.execPath, [path.join(tools, 'build.mjs'), '--quiet'], { stdio: 'inherit' });
  const abort = () => child.kill('SIGTERM');
  stop.signal.addEventListener('abort', abort, { once: true });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      stop.signal.removeEventListener('abort', abort);
      if (code === 0) resolve();
      else reject(new Error('Flatline could not be built; the compiler says why above.'));
    });
  });
}

async function prepare(main) {
  await ensureInstalled({ signal: stop.signal });
  if (stop.signal.aborted) return;
  if (!isUpToDate()) await buildInChild();
  if (!existsSync(main)) throw new Error(`${main} is missing although the build passed.`);
}

/** @param {string} app folder below apps/ whose main.js is run, in this process */
export async function launch(app) {
  const main = mainOf(app);
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGHUP', () => process.kill(process.pid, 'SIGTERM'));
  // The reader of our output may be gone before us (npm killed); that must not turn a shutdown into a crash.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  watchParent();
  try {
    await prepare(main);
  } catch (error) {
    if (!stop.signal.aborted) {
      console.error(error.message);
      process.exit(1);
    }
  }
  if (stop.signal.aborted) process.exit(0);
  stop.signal.addEventListener('abort', () => process.exit(0)); // while modules load nothing needs cleaning up
  await import(pathToFileURL(main).href);
}
