/**
 * One process at a time, on one machine, with plain Node. A lock is a file that names its owner's pid and is touched
 * once a second. It is made by link(2), which is atomic and refuses an existing name, so it never exists half written.
 *
 * A lock is abandoned when its owner is dead, or when nobody touched it for 30 s (its pid may since belong to another
 * process, after a reboot for one). Only the holder of `<lock>.breaking` removes an abandoned lock, and looks again
 * first: otherwise a slow waiter could remove the fresh lock of a faster one.
 */
import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const touchEveryMs = 1000;
const abandonedAfterMs = 30_000;

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM'; // alive, another user's
  }
}

function ownerOf(lock) {
  try {
    return Number.parseInt(fs.readFileSync(lock, 'utf8'), 10);
  } catch {
    return undefined; // gone meanwhile
  }
}

function isAbandoned(lock) {
  const stat = fs.statSync(lock, { throwIfNoEntry: false });
  const owner = ownerOf(lock);
  if (!stat || owner === undefined) return false;
  return !isAlive(owner) || Date.now() - stat.mtimeMs > abandonedAfterMs;
}

/** True when the lock is ours now. */
function tryTake(lock) {
  const aside = `${lock}.${process.pid}.${process.hrtime.bigint()}`;
  fs.writeFileSync(aside, `${process.pid}\n`);
  try {
    fs.linkSync(aside, lock);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

function breakAbandoned(lock) {
  const breaking = `${lock}.breaking`;
  if (!tryTake(breaking)) {
    if (isAbandoned(breaking)) fs.rmSync(breaking, { force: true });
    return;
  }
  if (isAbandoned(lock)) fs.rmSync(lock, { force: true });
  fs.rmSync(breaking, { force: true });
}

/**
 * Runs `work` while holding `lock` (a path whose folder exists).
 * @template T
 * @param {string} lock
 * @param {() => Promise<T>} work
 * @param {{ timeoutMs?: number, onWait?: () => void }} [options] timeoutMs: give up after that long (default 10
 *   minutes); onWait: called once when someone else holds the lock
 * @returns {Promise<T>}
 */
export async function withLock(lock, work, { timeoutMs = 600_000, onWait } = {}) {
  const startedAt = performance.now();
  let waited = false;
  while (!tryTake(lock)) {
    if (isAbandoned(lock)) {
      breakAbandoned(lock);
      continue;
    }
    if (!waited) onWait?.();
    waited = true;
    if (performance.now() - startedAt > timeoutMs) {
      throw new Error(`${lock} is held by process ${ownerOf(lock)}; waited ${timeoutMs / 1000} s`);
    }
    await sleep(50);
  }
  const touch = setInterval(() => {
    const now = new Date();
    fs.utimes(lock, now, now, () => {}); // a failed touch costs nothing but this one sign of life
  }, touchEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(touch);
    fs.rmSync(lock, { force: true });
  }
}
