import { startOperatorWatch } from '@flatline/infrastructure';
import {
  ConfigError,
  createKernel,
  type Kernel,
  loadConfig,
  SHUTDOWN_DEADLINE_MS,
  stopOnSignals,
} from '@flatline/service-kernel';
import { startGateway } from './gateway';

/**
 * Runs the gateway as a process: reads the environment, listens, and stops in order on SIGTERM. It listens whether or
 * not there is anybody to forward to; readiness says so. Ends with exit code 1 and one line that says why when it
 * cannot start.
 */
export async function runGateway(env: NodeJS.ProcessEnv): Promise<void> {
  let kernel: Kernel | undefined;
  try {
    kernel = createKernel(loadConfig(env), { service: 'gateway' });
    const { logger, clock, metrics, shutdown } = kernel;
    metrics.includeProcess();
    stopOnSignals(shutdown, logger, clock);
    startOperatorWatch(kernel, 'gateway', { watchesDisk: false });
    const { port } = await startGateway(kernel);
    logger.info({ port }, 'listening');
  } catch (error) {
    if (error instanceof ConfigError || !kernel) process.stderr.write(`gateway did not start: ${String(error)}\n`);
    else kernel.logger.fatal({ err: error }, 'did not start');
    await kernel?.shutdown.run(SHUTDOWN_DEADLINE_MS);
    process.exit(1);
  }
}
