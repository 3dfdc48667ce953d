import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, type Flatline, startFlatline } from '@flatline/test-kit';
import type { JournalWriter } from '../journal/journal-file';
import { signal } from './processes';

export interface KeptFlatlineOptions {
  readonly port: number;
  readonly dataDir: string;
  readonly logFile: string;
  readonly env: Record<string, string>;
  readonly journal: JournalWriter;
}

/** As the unit of systemd in docs/operations.md. */
const START_AGAIN_AFTER_MS = 1_000;
const STOP_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 20;

/**
 * The embedded default under a supervisor: when it has ended, however it ended, it is started again, unless a fault keeps
 * it away. What ends by itself is written down: nobody has to watch over `npm start`.
 */
export class KeptFlatline {
  private current: Flatline | null = null;
  private isWanted = true;
  private isOver = false;
  private readonly done: Promise<void>;

  constructor(private readonly options: KeptFlatlineOptions) {
    this.done = this.keepRunning();
  }

  get dataDir(): string {
    return this.options.dataDir;
  }

  /** The process, if it runs. */
  get pids(): readonly number[] {
    const { current } = this;
    return current === null || current.process.ended ? [] : [current.process.pid];
  }

  /** The first process of its Postgres, as Postgres has written it down. */
  get postgresPids(): readonly number[] {
    const pid = this.current?.postgresPid ?? null;
    return pid === null ? [] : [pid];
  }

  async ready({ withinMs }: { withinMs: number }): Promise<void> {
    const started = await eventually(() => this.current ?? Promise.reject(new Error('it is not started')));
    await started.ready({ withinMs });
  }

  /** kill -9, of all of it or of the process alone; it stays away until `letBack`. */
  async keepAway({ withPostgres }: { withPostgres: boolean }): Promise<void> {
    this.isWanted = false;
    await (withPostgres ? this.current?.killTree() : this.current?.kill());
  }

  /** Does not wait until it runs. */
  async letBack(): Promise<void> {
    this.isWanted = true;
  }

  async stop(): Promise<void> {
    this.isOver = true;
    for (const pid of [...this.pids, ...this.postgresPids]) signal(pid, 'SIGCONT');
    await this.current?.stop({ withinMs: STOP_WITHIN_MS }).catch(() => this.current?.killTree());
    await this.done;
  }

  private async keepRunning(): Promise<void> {
    while (!this.isOver) {
      if (this.isWanted) await this.runOnce();
      await sleep(this.isWanted ? START_AGAIN_AFTER_MS : LOOK_EVERY_MS);
    }
  }

  private async runOnce(): Promise<void> {
    const { port, dataDir, env, logFile, journal } = this.options;
    this.current = await startFlatline({ port, dataDir, env });
    const { child, lines } = this.current.process;
    const log = createWriteStream(logFile, { flags: 'a' });
    for (const stream of [child.stdout, child.stderr]) stream?.pipe(log, { end: false });
    const [code] = (await once(child, 'close')) as [number | null];
    log.end();
    const isAskedFor = code === null || lines.some((line) => line.includes('"msg":"stopping"'));
    if (!isAskedFor) journal.write({ type: 'ended', at: Date.now(), what: `exit code ${code}: ${lines.at(-1) ?? ''}` });
  }
}
