import { spawn } from 'node:child_process';

export interface Reaper {
  /** These processes instead of those it has watched so far. */
  watch(pids: readonly number[]): void;
  /** The processes ended in good order: the reaper forgets them and ends, removing nothing. */
  release(): void;
}

/**
 * The reaper's program. Its stdin is a pipe from us, and the kernel closes that when we die, however we die. The last
 * line says which processes are to go then; `released` means that nothing is left to do.
 */
const program = `
const [gently, folder] = process.argv.slice(1);
let said = '';
process.stdin.on('data', (chunk) => { said += chunk; });
process.stdin.on('end', () => {
  const last = said.trim().split('\\n').at(-1);
  if (last === 'released') return;
  const pids = last.split(' ').filter(Boolean).map(Number);
  const isAlive = (pid) => { try { process.kill(pid, 0); return true; } catch { return false; } };
  const signal = (name) => pids.forEach((pid) => { try { process.kill(pid, name); } catch { /* gone */ } });
  signal(gently);
  let tries = 0;
  const timer = setInterval(() => {
    if (pids.some(isAlive) && tries++ < 50) return;
    clearInterval(timer);
    signal('SIGKILL');
    if (folder) require('node:fs').rmSync(folder, { recursive: true, force: true });
  }, 100);
});
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => {});
`;

/**
 * Sees to it that processes do not outlive this one, not even after kill -9: then they get `signal` (by default SIGQUIT,
 * an immediate shutdown for Postgres), after 5 s SIGKILL, and `folder`, if given, is removed.
 */
export function reapWithUs(
  pids: number | readonly number[],
  folder?: string,
  signal: NodeJS.Signals = 'SIGQUIT',
): Reaper {
  const child = spawn(process.execPath, ['-e', program, '--', signal, ...(folder ? [folder] : [])], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // out of reach of a Ctrl-C that goes to the whole group
  });
  child.on('error', () => undefined); // no reaper, no safety net; the orderly path still works
  child.stdin.on('error', () => undefined);
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  const watch: Reaper['watch'] = (list) => void child.stdin.write(`${list.join(' ')}\n`);
  watch(typeof pids === 'number' ? [pids] : pids);
  return {
    watch,
    release: () => {
      child.stdin.end('released\n');
    },
  };
}
