import { ConfigError, createKernel, loadConfig, SHUTDOWN_DEADLINE_MS, stopOnSignals } from '@flatline/service-kernel';
import { startStandalone } from './start-standalone';
import { startupProblem } from './startup-problem';
import { welcomeText } from './welcome-text';
import { letYoungGenerationGrow } from './young-generation';

/** A signal during the start waits this long for the start to come to an end, so that everything started is stopped. */
const STARTUP_GRACE_MS = 5_000;

/**
 * Runs the whole product in this process until a signal ends it. When it cannot start, one sentence on standard error
 * says why, and the exit code is 1.
 */
export async function runStandalone(env: NodeJS.ProcessEnv): Promise<void> {
  let config;
  try {
    config = loadConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    fail(`Flatline did not start: ${error.message}.`);
    return;
  }
  const kernel = createKernel(config);
  stopOnSignals(kernel.shutdown, kernel.logger, kernel.clock);
  const starting = startStandalone(kernel, env);
  kernel.shutdown.on('intake', 'start', () => settledWithin(starting, STARTUP_GRACE_MS));
  try {
    const started = await starting;
    letYoungGenerationGrow();
    if (!kernel.shutdown.begun) process.stdout.write(welcomeText(started));
  } catch (error) {
    if (kernel.shutdown.begun) return; // asked to stop meanwhile; the signal's own shutdown ends the process
    await kernel.shutdown.run(SHUTDOWN_DEADLINE_MS);
    fail(startupProblem(error, config));
  }
}

async function settledWithin(promise: Promise<unknown>, withinMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, withinMs);
  });
  const settled = promise.then(
    () => undefined,
    () => undefined,
  );
  await Promise.race([settled, tooLate]);
  clearTimeout(timer);
}

function fail(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
