import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import * as readline from 'node:readline';
import type { Restartable } from '@flatline/service-kernel';
import { LogFile } from './log-file';

/** `dist/apps`, where the programs of the services are. */
const APPS = path.resolve(__dirname, '..', '..');
const PRELOADED = path.join(__dirname, 'end-with-supervisor.js');
/** A service stops within 10 s; whoever takes longer hangs. */
const STOP_PATIENCE_MS = 10_000;
/** How long the last lines of a process that ended may take to arrive. */
const LAST_WORDS_MS = 500;

/**
 * Every ping lives until Kafka or Postgres has it, across several collections of V8's small default space for young
 * objects, and is copied by each. Twice the space saves an ingest some 15 % of its processor time for up to 48 MB.
 */
const ROOM_FOR_PINGS = '--max-semi-space-size=32';
const HANDLING_PINGS: readonly ServiceName[] = ['ingest', 'deadline-scheduler'];

export type ServiceName = 'ingest' | 'management-api' | 'deadline-scheduler' | 'notifier' | 'gateway' | 'migrate';

export interface ServiceProcessOptions {
  /** `ingest-1` */
  readonly name: string;
  readonly service: ServiceName;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Each line that it writes. */
  readonly onLine: (line: string) => void;
  /** Lines that must not be in the file. */
  readonly isSecret?: (line: string) => boolean;
  /** It ended by itself, without a signal, with this exit code. */
  readonly onExit?: (code: number, lastWords: string) => void;
}

/** The program of a service, an ordinary process `node …/dist/apps/<service>/main.js`. */
export function programOf(service: ServiceName): string {
  return path.join(APPS, service, 'main.js');
}

/** One process of a service, across its restarts. Its lines go to a file and to `onLine`. */
export class ServiceProcess implements Restartable {
  private child: ChildProcess | null = null;
  private end: Promise<string> = Promise.resolve('was not started');
  private readonly log: LogFile;

  constructor(private readonly options: ServiceProcessOptions) {
    this.log = new LogFile(options.logFile);
  }

  get name(): string {
    return this.options.name;
  }

  /** Of the process as it runs now; 0 before the first start. */
  get pid(): number {
    return this.child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const { service, env } = this.options;
    const program = programOf(service);
    if (!fs.existsSync(program)) throw new Error(`${program} is missing although the build passed.`);
    // A group of its own: Ctrl-C at the terminal is for the supervisor, which decides in which order things end.
    const child = spawn(process.execPath, [program], {
      // By a variable, so that the command line is that of a service anywhere.
      env: { ...env, NODE_OPTIONS: nodeOptions(service, env) },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.child = child;
    let lastWords = '';
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue;
      readline.createInterface({ input: stream }).on('line', (line) => {
        if (stream === child.stderr) lastWords = line;
        if (!this.options.isSecret?.(line)) this.log.write(line);
        this.options.onLine(line);
      });
    }
    this.end = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => {
        const done = (): void => {
          if (code !== null) this.options.onExit?.(code, lastWords);
          resolve(signal === null ? `exit code ${code}` : `signal ${signal}`);
        };
        const patience = setTimeout(done, LAST_WORDS_MS);
        child.once('close', () => {
          clearTimeout(patience);
          done();
        });
      });
    });
  }

  ended(): Promise<string> {
    return this.end;
  }

  async stop(): Promise<void> {
    if (!this.child) return;
    this.child.kill('SIGTERM');
    const patience = setTimeout(() => this.child?.kill('SIGKILL'), STOP_PATIENCE_MS);
    try {
      await this.end;
    } finally {
      clearTimeout(patience);
      this.log.close();
    }
  }
}

/** What comes later wins, so whoever starts a cluster has the last word. */
function nodeOptions(service: ServiceName, env: NodeJS.ProcessEnv): string {
  const room = HANDLING_PINGS.includes(service) ? [ROOM_FOR_PINGS] : [];
  return [...room, env['NODE_OPTIONS'] ?? '', `--require ${JSON.stringify(PRELOADED)}`].filter(Boolean).join(' ');
}
