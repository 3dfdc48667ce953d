/** CPU profiles of running processes of a cluster, taken through Node's inspector. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { WebSocket } from 'undici';
import { sleep } from './product-process.mjs';

const OPENED_WITHIN_MS = 10_000;
const LISTENING = /Debugger listening on (ws:\/\/\S+)/g;
const SAMPLE_EVERY_US = 500;

/**
 * Profiles the first process of each part while `work` runs; `<dir>/<name>-<part>.cpuprofile`.
 * @param {import('./cluster.mjs').ClusterTarget} target
 * @param {{ dir: string, name: string, parts: string[], logFile: string }} options logFile: what the product prints goes there
 */
export async function profiled(target, { dir, name, parts, logFile }, work) {
  mkdirSync(dir, { recursive: true });
  const sessions = [];
  for (const part of parts) {
    const running = target.processes().find((each) => each.name === part && each.port !== null);
    if (!running) throw new Error(`--profile ${part}: there is no such service`);
    sessions.push({ part, session: await Session.open(running.pid, logFile) });
  }
  for (const { session } of sessions) {
    await session.call('Profiler.enable');
    await session.call('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US });
    await session.call('Profiler.start');
  }
  try {
    return await work();
  } finally {
    for (const { part, session } of sessions) {
      const { profile } = await session.call('Profiler.stop');
      writeFileSync(path.join(dir, `${name}-${part}.cpuprofile`), JSON.stringify(profile));
      session.close();
    }
  }
}

/** Inspectors that are open already; a second signal to the same process says nothing more. */
const urls = new Map();

async function inspectorUrl(pid, logFile) {
  if (urls.has(pid)) return urls.get(pid);
  const known = listening(logFile).length;
  process.kill(pid, 'SIGUSR1');
  const giveUpAt = performance.now() + OPENED_WITHIN_MS;
  while (listening(logFile).length === known) {
    if (performance.now() > giveUpAt) throw new Error(`process ${pid} opened no inspector`);
    await sleep(50);
  }
  const url = listening(logFile).at(-1);
  urls.set(pid, url);
  return url;
}

const listening = (logFile) => [...readFileSync(logFile, 'utf8').matchAll(LISTENING)].map(([, url]) => url);

class Session {
  #socket;
  #calls = new Map();
  #lastId = 0;

  static async open(pid, logFile) {
    const socket = new WebSocket(await inspectorUrl(pid, logFile));
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', () => reject(new Error(`the inspector of process ${pid} cannot be reached`)));
    });
    return new Session(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const { id, result, error } = JSON.parse(data);
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error) call?.reject(new Error(error.message));
      else call?.resolve(result);
    });
    socket.addEventListener('close', () => {
      for (const { reject } of this.#calls.values()) reject(new Error('the profiled process ended'));
    });
  }

  call(method, params = {}) {
    const id = ++this.#lastId;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
  }

  close() {
    this.#socket.close();
  }
}
