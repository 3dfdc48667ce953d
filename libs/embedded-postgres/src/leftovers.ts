import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process of the Postgres that works on one data directory. */
interface ServerProcess {
  pid: number;
  /** the one that started the others; false for those that outlived it */
  isPostmaster: boolean;
}

/** A signal and how long it is given before the next, ms. */
type Requests = readonly (readonly [NodeJS.Signals, number])[];

/** A server ends its sessions itself: fast shutdown, immediate shutdown, kill. */
const TO_A_SERVER: Requests = [
  ['SIGINT', 5_000],
  ['SIGQUIT', 2_000],
  ['SIGKILL', 2_000],
];
/** Sessions without a server have nothing to write: what they did not commit is lost already. */
const TO_SESSIONS: Requests = [
  ['SIGTERM', 500],
  ['SIGKILL', 2_000],
];

/**
 * Ends every process of an earlier Postgres on `pgData`: one whose Flatline was killed, or backends that outlived their
 * postmaster (Postgres refuses to start while one is attached to the old shared memory). To be called under the lock
 * of the data directory, which proves that nobody owns them. Resolves when they are gone, within about 9 s; answers
 * how many there were.
 *
 * A process counts when it is called postgres and works in `pgData`, so a re-used process id is never taken for it; a
 * `postmaster.pid` whose process id now belongs to somebody else would keep Postgres from starting and is removed.
 */
export async function endLeftovers(pgData: string): Promise<number> {
  const found = listServerProcesses(pgData);
  if (found.some(({ isPostmaster }) => isPostmaster)) await endWith(TO_A_SERVER, pgData);
  await endWith(TO_SESSIONS, pgData);
  const isGone = listServerProcesses(pgData).length === 0;
  // Elsewhere the look is less certain, and Postgres judges for itself.
  if (isGone && process.platform === 'linux') fs.rmSync(path.join(pgData, 'postmaster.pid'), { force: true });
  return found.length;
}

async function endWith(requests: Requests, pgData: string): Promise<void> {
  for (const [signal, patienceMs] of requests) {
    const giveUpAt = performance.now() + patienceMs;
    let isFirstLook = true;
    do {
      const left = listServerProcesses(pgData);
      if (left.length === 0) return;
      if (isFirstLook) {
        const postmasters = left.filter(({ isPostmaster }) => isPostmaster);
        const targets = postmasters.length > 0 && signal !== 'SIGKILL' ? postmasters : left;
        for (const { pid } of targets) kill(pid, signal);
      }
      isFirstLook = false;
      await sleep(20);
    } while (performance.now() < giveUpAt);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone in the meantime, or another user's: the caller looks again and finds out which.
  }
}

function listServerProcesses(pgData: string): ServerProcess[] {
  const postmasterPid = readPostmasterPid(pgData);
  const processes = process.platform === 'linux' ? fromProc(pgData) : fromPs(pgData);
  return processes.map((pid) => ({ pid, isPostmaster: pid === postmasterPid }));
}

function readPostmasterPid(pgData: string): number | null {
  try {
    return Number.parseInt(fs.readFileSync(path.join(pgData, 'postmaster.pid'), 'utf8'), 10);
  } catch {
    return null; // none: nothing runs, or it is about to end
  }
}

/** Every process of Postgres works in its data directory. */
function fromProc(pgData: string): number[] {
  const directory = fs.realpathSync(pgData);
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          fs.readlinkSync(`/proc/${pid}/cwd`) === directory &&
          fs.readFileSync(`/proc/${pid}/comm`, 'utf8') === 'postgres\n' &&
          // A zombie waits for its parent only.
          !/\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'))
        );
      } catch {
        return false; // ended, or another user's
      }
    })
    .map(Number);
}

/** Without /proc only the postmaster names its directory; the others are its children. */
function fromPs(pgData: string): number[] {
  const rows = execFileSync('ps', ['-axo', 'pid=,ppid=,command='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, ppid, command = '']) => ({ pid: Number(pid), ppid: Number(ppid), command }));
  const postmasters = rows.filter(({ command }) => /\/postgres /.test(command) && command.includes(`-D ${pgData} `));
  return rows
    .filter(({ pid, ppid }) => postmasters.some((postmaster) => postmaster.pid === pid || postmaster.pid === ppid))
    .map(({ pid }) => pid);
}
