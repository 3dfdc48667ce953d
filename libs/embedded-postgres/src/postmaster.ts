import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { type Invocation } from './run-as';
import { LastLines } from './run-program';

export interface PostmasterExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** the last lines it wrote */
  output: string[];
}

/** Line of postmaster.pid that holds the state of the server. */
const STATE_LINE = 7;
const READY_POLL_MS = 10;
/** Replaying the log after a crash takes as long as it takes; this is for a server that hangs. */
const READY_WITHIN_MS = 300_000;
const LAST_WORDS_MS = 300;
/** fast shutdown (sessions are ended, everything is written), immediate (as in a crash), kill; each for so long, ms */
const FAST_MS = 5_000;
const IMMEDIATE_MS = 2_000;

/** A running Postgres server, our child. */
export class Postmaster {
  readonly exited: Promise<PostmasterExit>;
  private exit: PostmasterExit | null = null;
  private readonly child: ChildProcess;
  private readonly endWithUs = (): void => void this.signal('SIGINT');

  constructor(
    invocation: Invocation,
    private readonly pgData: string,
    onLog: (line: string) => void,
  ) {
    const output = new LastLines(40, onLog);
    // Leads a group of its own, so that Ctrl-C at the terminal reaches us alone: sessions have to end before it does.
    this.child = spawn(invocation.file, invocation.args, {
      ...invocation.options,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => output.add(text));
    this.exited = new Promise((resolve) => {
      const done = (code: number | null, signal: NodeJS.Signals | null): void => {
        process.off('exit', this.endWithUs);
        resolve((this.exit ??= { code, signal, output: output.lines() }));
      };
      this.child.once('error', (error) => {
        output.add(`${error.message}\n`);
        done(null, null);
      });
      // Its last words may still be in the pipe, but sessions that outlive it keep the pipe open.
      this.child.once('exit', (code, signal) => {
        const lastWords = setTimeout(done, LAST_WORDS_MS, code, signal);
        this.child.once('close', () => {
          clearTimeout(lastWords);
          done(code, signal);
        });
      });
    });
    process.once('exit', this.endWithUs);
  }

  /** undefined: it could not even be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  /** true: it accepts connections; false: it ended instead. */
  async becomesReady(): Promise<boolean> {
    const giveUpAt = performance.now() + READY_WITHIN_MS;
    while (!this.exit) {
      if (this.readState() === 'ready') return true;
      if (performance.now() > giveUpAt) await this.stop();
      await sleep(READY_POLL_MS);
    }
    return false;
  }

  /** Resolves when it is gone; at most about 7 s later. */
  async stop(): Promise<void> {
    const requests: [NodeJS.Signals, number][] = [
      ['SIGINT', FAST_MS],
      ['SIGQUIT', IMMEDIATE_MS],
    ];
    for (const [signal, patienceMs] of requests) {
      if (this.exit) return;
      this.signal(signal);
      const patience = new AbortController();
      await Promise.race([
        this.exited,
        sleep(patienceMs, undefined, { signal: patience.signal }).catch(() => undefined),
      ]);
      patience.abort();
    }
    this.signal('SIGKILL');
    await this.exited;
  }

  private signal(signal: NodeJS.Signals): boolean {
    return this.child.kill(signal);
  }

  private readState(): string | undefined {
    try {
      const lines = fs.readFileSync(path.join(this.pgData, 'postmaster.pid'), 'utf8').split('\n');
      return Number(lines[0]) === this.child.pid ? lines[STATE_LINE]?.trim() : undefined;
    } catch {
      return undefined; // not written yet
    }
  }
}
