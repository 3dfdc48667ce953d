import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';

import { linesOf } from './run-program';

export interface ServerExit {
  code: number | null;
  /** the signal that ended it, if one did */
  signal: NodeJS.Signals | null;
}

/** How a server is run. */
export interface Invocation {
  program: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  /** the folder it works in */
  cwd: string;
  /** what it writes on stdout and stderr is appended here */
  logFile: string;
}

/** A log that has grown beyond this is begun anew at the next start. */
const LOG_LIMIT_BYTES = 10_000_000;
const KEPT_LINES = 30;

/** One life of a server: our child from its start to its end. */
export class ServerProcess {
  /** Resolves when it is gone, asked to or not; code and signal null: it could not even be started. */
  readonly ended: Promise<ServerExit>;
  private isGone = false;
  private readonly child: ChildProcess;
  private readonly logStartsAt: number;
  private readonly endWithUs = (): void => void this.signal('SIGTERM');

  constructor(private readonly invocation: Invocation) {
    const { program, args, env, cwd, logFile } = invocation;
    // A file and no pipe: a server that outlives us must not die of its next word.
    const log = fs.openSync(logFile, sizeOf(logFile) > LOG_LIMIT_BYTES ? 'w' : 'a', 0o600);
    this.logStartsAt = sizeOf(logFile);
    // It leads a group of its own: Ctrl-C at the terminal is for us, and we decide in which order things end.
    this.child = spawn(program, args, { env, cwd, detached: true, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    process.once('exit', this.endWithUs);
    this.ended = new Promise((resolve) => {
      const done = (exit: ServerExit): void => {
        this.isGone = true;
        process.off('exit', this.endWithUs);
        resolve(exit);
      };
      this.child.once('error', (error) => {
        fs.appendFileSync(logFile, `${error.message}\n`);
        if (this.child.pid === undefined) done({ code: null, signal: null });
      });
      this.child.once('exit', (code, signal) => done({ code, signal }));
    });
  }

  /** 0: it could not be started. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  get isRunning(): boolean {
    return !this.isGone;
  }

  /** The last lines it wrote in this life. */
  lastLines(): string[] {
    const text = fs.readFileSync(this.invocation.logFile).subarray(this.logStartsAt).toString('utf8');
    return linesOf(text).slice(-KEPT_LINES);
  }

  signal(name: NodeJS.Signals): void {
    if (!this.isGone) this.child.kill(name);
  }

  /** SIGTERM, after `patienceMs` SIGKILL. Resolves when it is gone. */
  async stop(patienceMs: number): Promise<ServerExit> {
    this.signal('SIGTERM');
    this.signal('SIGCONT'); // one that was stopped would not hear the first
    const patience = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    try {
      return await this.ended;
    } finally {
      clearTimeout(patience);
    }
  }

  kill(): Promise<ServerExit> {
    this.signal('SIGKILL');
    return this.ended;
  }
}

function sizeOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
