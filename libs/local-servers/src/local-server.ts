import { setTimeout as sleep } from 'node:timers/promises';

import { LocalServerError, ServerDidNotStart } from './errors';
import { isFree } from './free-ports';
import { endLeftovers } from './leftovers';
import { type Invocation, type ServerExit, ServerProcess } from './server-process';

/** What is known of a server before it runs. */
export interface ServerDescription extends Invocation {
  /** `redis`, `kafka-1` */
  name: string;
  port: number;
  /** one of `args`, by which the processes of this server are recognised */
  configFile: string;
  /** whether it answers now; never throws */
  probe: () => Promise<boolean>;
  /** how long it may take to end well, ms */
  stopPatienceMs: number;
  /** told of each process at once, before it is ready */
  onSpawn?: (pid: number) => void;
}

/** Recovering data after a crash takes as long as it takes; this is for a server that hangs. */
const READY_WITHIN_MS = 120_000;
const PROBE_EVERY_MS = 20;

/** A server on 127.0.0.1 that can be stopped, killed and started again, on the same port and data. */
export class LocalServer {
  private process: ServerProcess | null = null;

  constructor(private readonly description: ServerDescription) {}

  get name(): string {
    return this.description.name;
  }

  get port(): number {
    return this.description.port;
  }

  /** `127.0.0.1:<port>` */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get logFile(): string {
    return this.description.logFile;
  }

  /** Of the process as it runs now, or ran last. */
  get pid(): number {
    return this.current().pid;
  }

  get isRunning(): boolean {
    return this.process?.isRunning ?? false;
  }

  /**
   * Resolves when the process that runs now is gone, asked to or not, with how it ended. A supervisor waits for it and
   * calls `start` again.
   */
  get ended(): Promise<ServerExit> {
    return this.current().ended;
  }

  /**
   * Starts it unless it runs, and resolves when it answers. What an earlier start left running is ended first.
   * Throws ServerDidNotStart; then nothing runs.
   */
  async start(): Promise<void> {
    if (this.isRunning) return;
    const { name, port, configFile, logFile, stopPatienceMs, onSpawn } = this.description;
    await endLeftovers(configFile, stopPatienceMs);
    // Somebody else's answers would be taken for its own.
    if (!(await isFree(port))) throw new ServerDidNotStart(name, `port ${port} is in use`, logFile, []);
    const server = new ServerProcess(this.description);
    this.process = server;
    if (server.pid) onSpawn?.(server.pid);
    await this.becomesReady(server);
  }

  /** Ends it in good order. Resolves when it is gone. */
  async stop(): Promise<void> {
    await this.process?.stop(this.description.stopPatienceMs);
  }

  /** kill -9. Resolves when it is gone. */
  async kill(): Promise<void> {
    await this.process?.kill();
  }

  /** Sends a signal to the process, if it runs: SIGSTOP makes it hang, SIGCONT lets it go on. */
  signal(name: NodeJS.Signals): void {
    this.process?.signal(name);
  }

  private async becomesReady(server: ServerProcess): Promise<void> {
    const { name, logFile, probe } = this.description;
    const giveUpAt = performance.now() + READY_WITHIN_MS;
    while (!(await probe()) || !server.isRunning) {
      if (!server.isRunning) {
        throw new ServerDidNotStart(name, 'it ended at once', logFile, server.lastLines());
      }
      if (performance.now() > giveUpAt) {
        await server.kill();
        throw new ServerDidNotStart(name, `no answer in ${READY_WITHIN_MS / 1000} s`, logFile, server.lastLines());
      }
      await sleep(PROBE_EVERY_MS);
    }
  }

  private current(): ServerProcess {
    if (!this.process) throw new LocalServerError(`${this.name} was not started yet`);
    return this.process;
  }
}
