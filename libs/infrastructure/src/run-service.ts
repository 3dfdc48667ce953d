import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DynamicModule, Module } from '@nestjs/common';
import {
  createKernel,
  createLogger,
  type Kernel,
  KernelModule,
  loadConfig,
  openTracing,
  outliveReaders,
  requireVariable,
  settledWithin,
  SHUTDOWN_DEADLINE_MS,
  startHttpApplication,
  stopOnSignals,
  type VariableName,
} from '@flatline/service-kernel';
import { type InfrastructureNeeds, openInfrastructure } from './open-infrastructure';
import { startOperatorWatch } from './operator/operator-watch';
import { startupProblem } from './startup-problem';
import { untilServersAnswer } from './until-servers-answer';

@Module({})
class ServiceRoot {}

/** A service that runs as a process of its own. */
export interface Service {
  /** In every line it logs. */
  readonly name: string;
  /** What it cannot do without, besides DATABASE_URL. */
  readonly variables: readonly VariableName[];
  readonly needs: InfrastructureNeeds;
  /** Whether something in front shares requests out among its processes. */
  readonly behindGateway: boolean;
  readonly module: (kernel: Kernel) => DynamicModule;
}

/** A signal during the start waits this long for the start to come to an end, so that everything started is stopped. */
const STARTUP_GRACE_MS = 5_000;
/** Three looks of the gateway at who is ready; until then a process that was told to stop still answers. */
const NOTICE_MS = 1_500;

/**
 * Runs one service as a process of its own, until a signal ends it:
 *
 * 1. read the environment
 * 2. connect, waiting for servers that are away; the health routes answer meanwhile
 * 3. start the application, which takes the port over
 *
 * When it cannot start, one sentence on standard error says why, and the exit code is 1.
 */
export async function runService(service: Service): Promise<void> {
  let kernel: Kernel | undefined;
  outliveReaders();
  try {
    const config = loadConfig(process.env); // 1
    const logger = createLogger(config, { service: service.name });
    const tracing = await openTracing(config, service.name, logger);
    kernel = createKernel(config, { logger, tracing });
    kernel.shutdown.on('servers', 'tracing', () => tracing.close());
    kernel.metrics.includeProcess();
    stopOnSignals(kernel.shutdown, kernel.logger, kernel.clock);
    startOperatorWatch(kernel, service.name, { watchesDisk: service.needs.watchesInstallation });
    await start(service, kernel);
  } catch (error) {
    if (kernel?.shutdown.begun) return; // asked to stop meanwhile; the signal's own shutdown ends the process
    await kernel?.shutdown.run(SHUTDOWN_DEADLINE_MS);
    process.stderr.write(`${startupProblem(error, service.name, kernel?.config)}\n`, () => process.exit(1));
  }
}

async function start(service: Service, kernel: Kernel): Promise<void> {
  const { config, logger, shutdown } = kernel;
  const databaseUrl = requireVariable(config, 'DATABASE_URL');
  for (const name of service.variables) requireVariable(config, name);

  const answered = await untilServersAnswer(kernel, () => openInfrastructure(kernel, databaseUrl, service.needs)); // 2
  if (answered === null || shutdown.begun) return;
  const root = {
    module: ServiceRoot,
    imports: [KernelModule.forRoot(kernel, answered.result.providers), service.module(kernel)],
  };
  const starting = startHttpApplication(root, kernel, answered.waitingRoom); // 3
  shutdown.on('intake', 'start', () => settledWithin(starting, STARTUP_GRACE_MS));
  const { port } = await starting;
  if (service.behindGateway) giveNotice(kernel);
  logger.info({ port }, 'listening');
}

/** Lets whoever sends requests here see that it should not, before they would be refused. */
function giveNotice({ health, shutdown }: Kernel): void {
  health.register('process', () => (shutdown.begun ? 'stopping' : null));
  shutdown.on('notice', 'requests go elsewhere', () => sleep(NOTICE_MS));
}
