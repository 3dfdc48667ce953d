import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether a process of this id runs. One that has ended and was not yet waited for does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}

/** kill -9 of processes and of all they started, however deep. Null is nobody. */
export function killTree(...roots: (number | null)[]): void {
  for (const pid of withDescendants(roots.filter((root) => root !== null))) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone in the meantime.
    }
  }
}

function withDescendants(roots: readonly number[]): number[] {
  const parents = parentsOfAll();
  const found = new Set(roots);
  // Children are added behind those still to be visited, so one pass finds every generation.
  for (const pid of found) {
    for (const [child, parent] of parents) if (parent === pid) found.add(child);
  }
  return [...found];
}

/** Process id and its parent's, of every process there is. */
function parentsOfAll(): Map<number, number> {
  if (process.platform !== 'linux') {
    const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
    return new Map(rows.map((row) => row.trim().split(/\s+/).map(Number) as [number, number]));
  }
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // The name in parentheses may hold anything; the state and the parent come after the last one.
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // Gone in the meantime.
    }
  }
  return parents;
}

/**
 * SIGSTOP to processes and all they started, however deep. Answers who was stopped, for SIGCONT; whoever is killed
 * without it stays for ever.
 */
export function freezeTree(...roots: readonly number[]): number[] {
  return withDescendants(roots).filter((pid) => {
    try {
      return process.kill(pid, 'SIGSTOP');
    } catch {
      return false; // gone in the meantime
    }
  });
}

/** Somebody else may have let them go on. */
const STOPPED_WITHIN_MS = 2_000;

/**
 * Resolves when no thread of processes that got SIGSTOP runs any more. The kernel hands the signal to one thread, and the
 * others go on until that one has had its turn: on a busy machine long enough for a Kafka to answer another request.
 */
export async function untilStopped(...pids: readonly number[]): Promise<void> {
  if (process.platform !== 'linux') return;
  const giveUpAt = performance.now() + STOPPED_WITHIN_MS;
  while (!pids.every(isStopped) && performance.now() < giveUpAt) await sleep(1);
}

function isStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) =>
      /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
    );
  } catch {
    return !isRunning(pid); // it ended in the meantime, or one of its threads did
  }
}

/** The processes that a process has started and that still run. */
export function childrenOf(pid: number): number[] {
  return [...parentsOfAll()].filter(([, parent]) => parent === pid).map(([child]) => child);
}

/**
 * Every process of a Flatline on this data directory, whoever started it: those that work in it, that have a file of it
 * as an argument, or that were told of it by FLATLINE_DATA_DIR. Linux only; elsewhere nobody is found.
 */
export function processesOn(dataDir: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/cwd`).startsWith(`${dataDir}/`) ||
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${dataDir}/`) ||
          readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`FLATLINE_DATA_DIR=${dataDir}`)
        );
      } catch {
        return false; // gone in the meantime
      }
    })
    .map(Number);
}
