import { spawn } from 'node:child_process';

export interface Reaper {
  /** The process ended in good order: the reaper forgets it and ends, removing nothing. */
  release(): void;
}

/**
 * The reaper's program. Its stdin is a pipe from us, and the kernel closes that when we die, however we die. A line
 * `released` before the end means nothing is left to do.
 */
const program = `
const [pid, folder] = process.argv.slice(1);
let said = '';
process.stdin.on('data', (chunk) => { said += chunk; });
process.stdin.on('end', () => {
  if (said.includes('released')) return;
  const alive = () => { try { process.kill(Number(pid), 0); return true; } catch { return false; } };
  const signal = (name) => { try { process.kill(Number(pid), name); } catch { /* gone */ } };
  signal('SIGQUIT');
  let tries = 0;
  const timer = setInterval(() => {
    if (alive() && tries++ < 50) return;
    clearInterval(timer);
    signal('SIGKILL');
    if (folder) require('node:fs').rmSync(folder, { recursive: true, force: true });
  }, 100);
});
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => {});
`;

/**
 * Sees to it that `pid` does not outlive this process, not even after kill -9: then it gets SIGQUIT (an immediate
 * shutdown for Postgres), after 5 s SIGKILL, and `folder`, if given, is removed.
 */
export function reapWithUs(pid: number, folder?: string): Reaper {
  const child = spawn(process.execPath, ['-e', program, '--', String(pid), ...(folder ? [folder] : [])], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // out of reach of a Ctrl-C that goes to the whole group
  });
  child.on('error', () => undefined); // no reaper, no safety net; the orderly path still works
  child.stdin.on('error', () => undefined);
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return {
    release: () => {
      child.stdin.end('released\n');
    },
  };
}
