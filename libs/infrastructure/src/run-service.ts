import 'reflect-metadata';
import { type DynamicModule, Module } from '@nestjs/common';
import {
  ConfigError,
  createKernel,
  type Kernel,
  KernelModule,
  loadConfig,
  requireVariable,
  SHUTDOWN_DEADLINE_MS,
  startHttpApplication,
  stopOnSignals,
} from '@flatline/service-kernel';
import { openInfrastructure } from './open-infrastructure';

@Module({})
class ServiceRoot {}

/**
 * Runs one service as a process of its own: reads the environment, connects, listens, and stops in order on SIGTERM.
 * Ends with exit code 1 and one line that says why when it cannot start.
 */
export async function runService(service: string, module: (kernel: Kernel) => DynamicModule): Promise<void> {
  let kernel: Kernel | undefined;
  try {
    kernel = createKernel(loadConfig(process.env), { service });
    const { config, logger, clock, shutdown } = kernel;
    stopOnSignals(shutdown, logger, clock);
    const { providers } = await openInfrastructure(kernel, requireVariable(config, 'DATABASE_URL'));
    const root = { module: ServiceRoot, imports: [KernelModule.forRoot(kernel, providers), module(kernel)] };
    const { port } = await startHttpApplication(root, kernel);
    logger.info({ port }, 'listening');
  } catch (error) {
    if (error instanceof ConfigError || !kernel) process.stderr.write(`${service} did not start: ${String(error)}\n`);
    else kernel.logger.fatal({ err: error }, 'did not start');
    await kernel?.shutdown.run(SHUTDOWN_DEADLINE_MS);
    process.exitCode = 1;
    process.exit();
  }
}
