import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from './clock';
import type { Kernel } from './kernel.module';
import type { Logger } from './logging/create-logger';

/** What can be started again and again. */
export interface Restartable {
  /** As people call it: `ingest-1`, `Kafka`. */
  readonly name: string;
  /** Resolves when it runs. */
  start(): Promise<void>;
  /** Resolves when what was started last has ended, with how it ended, in a few words. */
  ended(): Promise<string>;
  /** Ends it in good order. Resolves when it is gone. */
  stop(): Promise<void>;
}

/** The first restart is at once; each further one of something that does not stay waits twice as long. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** Whoever stayed this long starts from the beginning. */
const STAYED_MS = 30_000;

/** Keeps something running: whatever ends it but `stop`, it is started again. */
export class KeptRunning {
  private isStopping = false;
  /** Of the start that is under way. */
  private starting: Promise<void> = Promise.resolve();
  private readonly cut = new AbortController();

  constructor(
    private readonly what: Restartable,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly pause: (ms: number, cut: AbortSignal) => Promise<unknown> = pauseFor,
  ) {}

  /** The first start. Rejects as that does; then nothing is kept. */
  async start(): Promise<void> {
    this.starting = this.what.start();
    await this.starting;
    void this.keep();
  }

  /** Ends it for good; also when it is just being started again. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.cut.abort();
    await this.starting.catch(() => undefined);
    await this.what.stop();
  }

  private async keep(): Promise<void> {
    let pauseMs = 0;
    while (!this.isStopping) {
      const startedAt = this.clock.monotonic();
      const how = await this.what.ended();
      if (this.isStopping) return;
      if (this.clock.monotonic() - startedAt > STAYED_MS) pauseMs = 0;
      this.logger.error({ how, pauseMs }, `${this.what.name} ended; starting it again`);
      pauseMs = await this.startAgain(pauseMs);
    }
  }

  /** Tries until it runs; answers how long to wait before the next restart, should it not stay. */
  private async startAgain(firstPauseMs: number): Promise<number> {
    let pauseMs = firstPauseMs;
    for (;;) {
      await this.pause(pauseMs, this.cut.signal);
      pauseMs = Math.min(Math.max(pauseMs * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
      if (this.isStopping) return pauseMs;
      try {
        this.starting = this.what.start();
        await this.starting;
        this.logger.info(`${this.what.name} runs again`);
        return pauseMs;
      } catch (error) {
        this.logger.error({ err: error, pauseMs }, `${this.what.name} did not start; trying again`);
      }
    }
  }
}

/**
 * Starts something, keeps it running, and stops it among the `servers` of the shutdown sequence. Its end is entered before
 * it runs: a signal may come while it starts.
 */
export async function keepRunning(
  { clock, logger, shutdown }: Pick<Kernel, 'clock' | 'logger' | 'shutdown'>,
  what: Restartable,
): Promise<void> {
  const kept = new KeptRunning(what, clock, logger);
  const started = kept.start();
  const hasStarted = started.then(
    () => true,
    () => false, // then there is nothing to stop
  );
  shutdown.on('servers', what.name, async () => {
    if (await hasStarted) await kept.stop();
  });
  await started;
}

/** Cut short when it is to stop. */
function pauseFor(ms: number, cut: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal: cut }).catch(() => undefined);
}
