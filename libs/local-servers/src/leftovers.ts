import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Ends the server of an earlier start that still runs with `configFile` (its starter was killed): SIGTERM, after
 * `patienceMs` SIGKILL. Whoever calls this owns the data directory. Resolves when it is gone; answers how many there
 * were.
 *
 * A process counts when this very path is one of its arguments, so a re-used process id is never taken for it.
 */
export async function endLeftovers(configFile: string, patienceMs: number): Promise<number> {
  const found = processesWith(configFile);
  for (const pid of found) {
    signal(pid, 'SIGTERM');
    signal(pid, 'SIGCONT'); // one that was stopped would not hear the first
  }
  if (!(await areGone(configFile, patienceMs))) {
    for (const pid of processesWith(configFile)) signal(pid, 'SIGKILL');
    await areGone(configFile, 5_000);
  }
  return found.length;
}

async function areGone(configFile: string, withinMs: number): Promise<boolean> {
  const giveUpAt = performance.now() + withinMs;
  while (processesWith(configFile).length > 0) {
    if (performance.now() > giveUpAt) return false;
    await sleep(20);
  }
  return true;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone in the meantime, or another user's: the caller looks again and finds out which.
  }
}

function processesWith(argument: string): number[] {
  return process.platform === 'linux' ? fromProc(argument) : fromPs(argument);
}

function fromProc(argument: string): number[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        // One that has ended and waits for its parent has no arguments any more.
        return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(argument);
      } catch {
        return false; // ended
      }
    })
    .map(Number);
}

function fromPs(argument: string): number[] {
  return execFileSync('ps', ['-axww', '-o', 'pid=,command='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.endsWith(` ${argument}`))
    .map((line) => Number.parseInt(line, 10));
}
