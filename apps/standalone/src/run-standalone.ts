import { EmbeddedPostgresError } from '@flatline/embedded-postgres';
import { startupProblem } from '@flatline/infrastructure';
import {
  type FlatlineConfig,
  createKernel,
  createLogger,
  loadConfig,
  openTracing,
  settledWithin,
  SHUTDOWN_DEADLINE_MS,
  stopOnSignals,
  welcomeText,
} from '@flatline/service-kernel';
import { startStandalone } from './start-standalone';
import { letYoungGenerationGrow } from './young-generation';

/** A signal during the start waits this long for the start to come to an end, so that everything started is stopped. */
const STARTUP_GRACE_MS = 5_000;

/**
 * Runs the whole product in this process until a signal ends it. When it cannot start, one sentence on standard error
 * says why, and the exit code is 1.
 */
export async function runStandalone(env: NodeJS.ProcessEnv): Promise<void> {
  let config: FlatlineConfig;
  try {
    config = loadConfig(env);
  } catch (error) {
    fail(startupProblem(error, 'Flatline'));
    return;
  }
  const logger = createLogger(config);
  const tracing = await openTracing(config, 'flatline', logger);
  const kernel = createKernel(config, { logger, tracing });
  kernel.shutdown.on('servers', 'tracing', () => tracing.close());
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
    fail(error instanceof EmbeddedPostgresError ? error.message : startupProblem(error, 'Flatline', config));
  }
}

function fail(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
