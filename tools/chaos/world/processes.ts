import type { ProcessName } from '../faults/fault';
import { localPortsOf } from './local-ports';

/** Processes that were stopped with SIGSTOP and are to go on. */
export type Frozen = readonly number[];

/** The processes of an installation, as faults see them. */
export class Processes {
  /** @param pidsNow those of a name as it runs now; none while it is just being started again */
  constructor(private readonly pidsNow: (name: ProcessName) => readonly number[]) {}

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
    return names.flatMap((name) => this.pidsNow(name));
  }
}

/** Whoever has ended meanwhile is left alone. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
