import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 100;

/**
 * Runs `work` unless `isDone`, while no other process of this machine does: those wait and find it done.
 *
 * The lock is a file with its owner's process id, abandoned when that process is gone. It saves double work and nothing
 * depends on it: in the rare case that two take an abandoned lock at once, both do the work, and `work` has to put its
 * result in place by a rename.
 */
export async function oncePerMachine(
  lockFile: string,
  isDone: () => boolean,
  work: () => Promise<void>,
): Promise<void> {
  fs.mkdirSync(path.dirname(lockFile), { recursive: true });
  while (!isDone()) {
    if (!tryTake(lockFile)) {
      await sleep(LOOK_EVERY_MS);
      continue;
    }
    try {
      if (!isDone()) await work();
      return;
    } finally {
      fs.rmSync(lockFile, { force: true });
    }
  }
}

/** The name appears with the process id in it or not at all: link(2) is atomic and refuses one that is taken. */
function tryTake(lockFile: string): boolean {
  const aside = `${lockFile}.${randomUUID()}`;
  fs.writeFileSync(aside, `${process.pid}\n`);
  try {
    fs.linkSync(aside, lockFile);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (isAbandoned(lockFile)) fs.rmSync(lockFile, { force: true });
    return false;
  } finally {
    fs.rmSync(aside, { force: true });
  }
}

function isAbandoned(lockFile: string): boolean {
  try {
    process.kill(Number.parseInt(fs.readFileSync(lockFile, 'utf8'), 10), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'; // otherwise another user's, or given back meanwhile
  }
}
