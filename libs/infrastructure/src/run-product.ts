import {
  type FlatlineConfig,
  type Kernel,
  loadConfig,
  outliveReaders,
  settledWithin,
  SHUTDOWN_DEADLINE_MS,
  stopOnSignals,
} from '@flatline/service-kernel';
import { startupProblem } from './startup-problem';

/** A program that is the whole product, started by a person at a terminal. */
export interface Product<Started> {
  readonly kernel: (config: FlatlineConfig) => Kernel | Promise<Kernel>;
  /** Enters the end of whatever it starts into the shutdown sequence. */
  readonly start: (kernel: Kernel) => Promise<Started>;
  /** Written to standard output once it runs. */
  readonly welcome: (started: Started) => string;
  /** Errors whose message was written for the person at the terminal. */
  readonly sentences: readonly (abstract new (...args: never[]) => Error)[];
  /** A signal during the start waits so long for the start to come to an end, so that everything started is stopped. */
  readonly startupGraceMs: number;
  /** Most time that its end takes. SHUTDOWN_DEADLINE_MS unset. */
  readonly stopWithinMs?: number;
}

/**
 * Runs the product until a signal ends it. When it cannot start, one sentence on standard error says why, and the exit
 * code is 1.
 */
export async function runProduct<Started>(env: NodeJS.ProcessEnv, product: Product<Started>): Promise<void> {
  const { startupGraceMs, stopWithinMs = SHUTDOWN_DEADLINE_MS } = product;
  outliveReaders();
  let config: FlatlineConfig;
  try {
    config = loadConfig(env);
  } catch (error) {
    fail(startupProblem(error, 'Flatline'));
    return;
  }
  const kernel = await product.kernel(config);
  stopOnSignals(kernel.shutdown, kernel.logger, kernel.clock, (code) => process.exit(code), stopWithinMs);
  const starting = product.start(kernel);
  kernel.shutdown.on('intake', 'start', () => settledWithin(starting, startupGraceMs));
  try {
    const started = await starting;
    if (!kernel.shutdown.begun) process.stdout.write(product.welcome(started));
  } catch (error) {
    if (kernel.shutdown.begun) return; // asked to stop meanwhile; the signal's own shutdown ends the process
    await kernel.shutdown.run(stopWithinMs);
    const isSentence = product.sentences.some((kind) => error instanceof kind);
    fail(isSentence ? (error as Error).message : startupProblem(error, 'Flatline', config));
  }
}

function fail(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
