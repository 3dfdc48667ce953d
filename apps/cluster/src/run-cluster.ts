import { EmbeddedPostgresError } from '@flatline/embedded-postgres';
import { startupProblem } from '@flatline/infrastructure';
import { LocalServerError } from '@flatline/local-servers';
import {
  createKernel,
  type FlatlineConfig,
  loadConfig,
  settledWithin,
  stopOnSignals,
  welcomeText,
} from '@flatline/service-kernel';
import { ServiceRefused } from './services';
import { startCluster } from './start-cluster';
import { whereText } from './where-text';

/** A signal during the start waits this long for the start to come to an end, so that everything started is stopped. */
const STARTUP_GRACE_MS = 3_000;
/** Gateway, services and servers one after the other; it takes a few seconds when nothing hangs. */
const STOP_WITHIN_MS = 25_000;

/**
 * Runs a cluster as child processes of this one until a signal ends it. When it cannot start, one sentence on standard
 * error says why, and the exit code is 1.
 */
export async function runCluster(env: NodeJS.ProcessEnv): Promise<void> {
  let config: FlatlineConfig;
  try {
    config = loadConfig(env);
  } catch (error) {
    fail(startupProblem(error, 'Flatline'));
    return;
  }
  const kernel = createKernel(config, { service: 'cluster' });
  stopOnSignals(kernel.shutdown, kernel.logger, kernel.clock, (code) => process.exit(code), STOP_WITHIN_MS);
  const starting = startCluster(kernel, env);
  kernel.shutdown.on('intake', 'start', () => settledWithin(starting, STARTUP_GRACE_MS));
  try {
    const started = await starting;
    if (!kernel.shutdown.begun) process.stdout.write(whereText(started) + welcomeText(started));
  } catch (error) {
    if (kernel.shutdown.begun) return; // asked to stop meanwhile; the signal's own shutdown ends the process
    await kernel.shutdown.run(STOP_WITHIN_MS);
    fail(isSentence(error) ? error.message : startupProblem(error, 'Flatline', config));
  }
}

/** Whether its message was written for the person at the terminal. */
function isSentence(error: unknown): error is Error {
  return [EmbeddedPostgresError, LocalServerError, ServiceRefused].some((kind) => error instanceof kind);
}

function fail(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
