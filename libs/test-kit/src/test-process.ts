import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

import { eventually } from './eventually';
import { reapWithUs } from './reaper';

export interface TestProcessOptions {
  args: string[];
  /** Default: this Node. */
  command?: string;
  /** Added to a minimal environment (PATH, HOME, TMPDIR); our own variables are not inherited. */
  env?: Record<string, string>;
  cwd?: string;
  /** Run it as another user; needs root. */
  uid?: number;
  gid?: number;
}

export interface TestProcess {
  pid: number;
  child: ChildProcess;
  /** Lines printed so far, stdout and stderr in the order in which they arrived. */
  lines: string[];
  /** How it ended; null while it runs. A signal that killed it is given by name. */
  readonly ended: { code: number | null; signal: NodeJS.Signals | null } | null;
  /** The first line that matches, waiting for it. Fails at once when the process ends without printing one. */
  line(pattern: RegExp, options?: { withinMs?: number }): Promise<string>;
  /** Waits for its end. */
  end(options?: { withinMs?: number }): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Sends a signal (default SIGTERM) and waits for the end. */
  stop(
    signal?: NodeJS.Signals,
    options?: { withinMs?: number },
  ): Promise<{ code: number | null; signal: string | null }>;
}

/** Starts a program as a user would. It does not outlive the test process, not even when that is killed. */
export function startTestProcess({ args, command, env = {}, cwd, ...user }: TestProcessOptions): TestProcess {
  const inherited = Object.fromEntries(
    ['PATH', 'HOME', 'TMPDIR', 'LANG'].flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
  );
  const child = spawn(command ?? process.execPath, args, {
    cwd,
    ...user,
    env: { ...inherited, ...env } as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid === undefined) throw new Error(`${command ?? process.execPath} could not be started`);
  const reaper = reapWithUs(child.pid);
  const lines: string[] = [];
  let ended: TestProcess['ended'] = null;
  for (const stream of [child.stdout, child.stderr]) collectLines(stream, lines);
  child.once('close', (code, signal) => {
    ended = { code, signal };
    reaper.release();
  });

  const end: TestProcess['end'] = (options) =>
    eventually(
      () => {
        if (!ended) throw new Error(`process ${child.pid} still runs`);
        return ended;
      },
      { withinMs: 15_000, ...options },
    );
  return {
    pid: child.pid,
    child,
    lines,
    get ended() {
      return ended;
    },
    end,
    line: async (pattern, options) => {
      const found = await eventually(
        () => {
          const line = lines.find((candidate) => pattern.test(candidate));
          if (line === undefined && !ended) throw new Error(`no line matches ${pattern}; last: ${lines.at(-1) ?? '-'}`);
          return line;
        },
        { withinMs: 30_000, ...options },
      );
      if (found === undefined)
        throw new Error(`ended without a line matching ${pattern}:\n${lines.slice(-20).join('\n')}`);
      return found;
    },
    stop: (signal = 'SIGTERM', options) => {
      child.kill(signal);
      return end(options);
    },
  };
}

function collectLines(stream: NodeJS.ReadableStream, lines: string[]): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  stream.on('end', () => {
    if (rest) lines.push(rest);
  });
}
