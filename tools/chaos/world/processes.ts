import { type Flatline, pidOfPart } from '@flatline/test-kit';
import type { ProcessName } from '../faults/plan-faults';
import { localPortsOf } from './local-ports';

/** Processes that were stopped with SIGSTOP and are to go on. */
export type Frozen = readonly number[];

/** The processes of the cluster, as faults see them. Those that are just being started again are left out. */
export class Processes {
  constructor(private readonly cluster: Flatline) {}

  /** kill -9. */
  kill(...names: readonly ProcessName[]): void {
    for (const pid of this.pidsOf(names)) signal(pid, 'SIGKILL');
  }

  /** SIGTERM. */
  stop(...names: readonly ProcessName[]): void {
    for (const pid of this.pidsOf(names)) signal(pid, 'SIGTERM');
  }

  /** From which ports the process, as it runs now, holds TCP connections. */
  portsOf(name: ProcessName): Set<number> {
    return new Set(this.pidsOf([name]).flatMap((pid) => [...localPortsOf(pid)]));
  }

  freeze(...names: readonly ProcessName[]): Frozen {
    const pids = this.pidsOf(names);
    for (const pid of pids) signal(pid, 'SIGSTOP');
    return pids;
  }

  thaw(frozen: Frozen): void {
    for (const pid of frozen) signal(pid, 'SIGCONT');
  }

  private pidsOf(names: readonly ProcessName[]): number[] {
    return names.flatMap((name) => {
      try {
        return [pidOfPart(this.cluster, name)];
      } catch {
        return []; // killed by an earlier fault, and not back yet
      }
    });
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
