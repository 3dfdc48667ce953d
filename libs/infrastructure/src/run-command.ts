import { type EventLog, inGeneration } from '@flatline/event-log';
import { createDataSource, type Partitioning, readPartitioning } from '@flatline/persistence';
import { createKernel, type Kernel, loadConfig, requireVariable } from '@flatline/service-kernel';
import type { DataSource } from 'typeorm';
import { openEventLog } from './open-event-log';
import { startupProblem } from './startup-problem';

/** What an operator asked for cannot be done. Nothing was changed. The message is a sentence without its full stop. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
}

/** What a command of an operator works with. */
export interface CommandParts {
  readonly kernel: Kernel;
  readonly dataSource: DataSource;
  /**
   * Connects to the event log when it is needed.
   *
   * @throws CommandRefused where no process has ever started
   */
  readonly openLog: () => Promise<InstallationLog>;
}

/** The event log of an installation, and over how many partitions it is spread. */
export interface InstallationLog {
  readonly partitioning: Partitioning;
  /** In the generation of the partitioning. */
  readonly log: EventLog;
}

const CLOSE_WITHIN_MS = 5_000;

/**
 * Runs a command of an operator: DATABASE_URL, and KAFKA_BROKERS where the log is there, are all it needs.
 *
 * @param work gives what to say on standard output; ends with exit code 0. What it throws is said in a sentence on
 *   standard error, with exit code 1
 */
export async function runCommand(
  name: string,
  env: NodeJS.ProcessEnv,
  work: (parts: CommandParts) => Promise<string>,
): Promise<void> {
  let kernel: Kernel | undefined;
  try {
    kernel = createKernel(loadConfig(env), { service: name });
    process.stdout.write(`${await work(await connect(kernel, name))}\n`);
  } catch (error) {
    const isRefusal = error instanceof CommandRefused;
    process.stderr.write(`${isRefusal ? `Nothing was changed: ${error.message}.` : startupProblem(error, name)}\n`);
    process.exitCode = 1;
  }
  await kernel?.shutdown.run(CLOSE_WITHIN_MS);
}

async function connect(kernel: Kernel, name: string): Promise<CommandParts> {
  const databaseUrl = requireVariable(kernel.config, 'DATABASE_URL');
  const applicationName = `flatline-${name}`;
  const dataSource = await createDataSource({ databaseUrl, poolSize: 2, applicationName }).initialize();
  kernel.shutdown.on('database', 'database', () => dataSource.destroy());
  return {
    kernel,
    dataSource,
    openLog: async () => {
      const partitioning = await readPartitioning(dataSource.manager);
      if (!partitioning) throw new CommandRefused('no process has ever started here');
      const log = await openEventLog(kernel, databaseUrl);
      kernel.shutdown.on('producers', 'event log', () => log.close());
      return { partitioning, log: inGeneration(log, partitioning.generation) };
    },
  };
}
