import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { programOf, type ServiceName } from './service-process';

const SERVICES: readonly ServiceName[] = [
  'gateway',
  'ingest',
  'management-api',
  'deadline-scheduler',
  'notifier',
  'migrate',
];
/** A signal and how long it is given, ms. A process whose supervisor was killed is stopping already. */
const REQUESTS: readonly (readonly [NodeJS.Signals, number])[] = [
  ['SIGTERM', 3_000],
  ['SIGKILL', 2_000],
];

/**
 * Ends the services that an earlier, killed supervisor of this data directory left running. To be called under the lock
 * of the directory, which proves that nobody owns them. Resolves when they are gone; answers how many there were.
 *
 * A process counts when it runs the program of a service with this very FLATLINE_DATA_DIR, so a re-used process id or
 * another cluster's service is never taken for it. Without /proc nothing is found, and they end by themselves
 * (end-with-supervisor.ts).
 */
export async function endLeftoverProcesses(dataDir: string): Promise<number> {
  const found = listProcesses(dataDir);
  for (const [signal, patienceMs] of REQUESTS) {
    for (const pid of listProcesses(dataDir)) send(pid, signal);
    const giveUpAt = performance.now() + patienceMs;
    while (listProcesses(dataDir).length > 0 && performance.now() < giveUpAt) await sleep(20);
  }
  return found.length;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
    process.kill(pid, 'SIGCONT'); // one that was stopped would not hear the first
  } catch {
    // Gone in the meantime: the caller looks again.
  }
}

function listProcesses(dataDir: string): number[] {
  if (process.platform !== 'linux') return [];
  const programs = new Set(SERVICES.map(programOf));
  const setting = `FLATLINE_DATA_DIR=${dataDir}`;
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return words(pid, 'cmdline').some((word) => programs.has(word)) && words(pid, 'environ').includes(setting);
      } catch {
        return false; // ended, or another user's
      }
    })
    .map(Number);
}

function words(pid: string, file: 'cmdline' | 'environ'): string[] {
  return fs.readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
}
