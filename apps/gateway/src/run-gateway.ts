import { startOperatorWatch, startupProblem } from '@flatline/infrastructure';
import {
  createKernel,
  type Kernel,
  loadConfig,
  outliveReaders,
  SHUTDOWN_DEADLINE_MS,
  stopOnSignals,
} from '@flatline/service-kernel';
import { startGateway } from './gateway';

/**
 * Runs the gateway as a process: reads the environment, listens, and stops in order on SIGTERM. It listens whether or
 * not there is anybody to forward to; readiness says so. Ends with exit code 1 and one sentence that says why when it
 * cannot start.
 */
export async function runGateway(env: NodeJS.ProcessEnv): Promise<void> {
  let kernel: Kernel | undefined;
  outliveReaders();
  try {
    kernel = createKernel(loadConfig(env), { service: 'gateway' });
    const { logger, clock, metrics, shutdown } = kernel;
    metrics.includeProcess();
    stopOnSignals(shutdown, logger, clock);
    startOperatorWatch(kernel, 'gateway', { watchesDisk: false });
    const { port } = await startGateway(kernel);
    logger.info({ port }, 'listening');
  } catch (error) {
    if (kernel?.shutdown.begun) return; // asked to stop meanwhile; the signal's own shutdown ends the process
    await kernel?.shutdown.run(SHUTDOWN_DEADLINE_MS);
    process.stderr.write(`${startupProblem(error, 'gateway', kernel?.config)}\n`, () => process.exit(1));
  }
}
