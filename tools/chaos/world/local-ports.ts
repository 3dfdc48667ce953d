import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The ports from which a process holds TCP connections over IPv4, as /proc tells them; none when it has ended. */
export function localPortsOf(pid: number): Set<number> {
  try {
    const sockets = new Set(
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
        return inode === undefined ? [] : [inode];
      }),
    );
    const rows = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1);
    // sl, local address as hex:hex, remote address, state, queues, timer, retransmits, user, time-out, inode
    const mine = rows.map((row) => row.trim().split(/\s+/)).filter((fields) => sockets.has(fields[9]!));
    return new Set(mine.map((fields) => Number.parseInt(fields[1]!.split(':')[1]!, 16)));
  } catch {
    return new Set();
  }
}

/** Empty when it was closed meanwhile. */
function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}
