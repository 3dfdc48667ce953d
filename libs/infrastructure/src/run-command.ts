import { type EventLog, inGeneration } from '@flatline/event-log';
import { createDataSource, type Partitioning, readPartitioning } from '@flatline/persistence';
import { createKernel, type Kernel, loadConfig, requireVariable } from '@flatline/service-kernel';
import type { DataSource } from 'typeorm';
import { openEventLog } from './open-event-log';
import { codeOf } from './server-away';
import { startupProblem } from './startup-problem';

/** What an operator asked for cannot be done. Nothing was changed. The message is a sentence without its full stop. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
}

/** What an operator may ask for on the command line. */
export interface Command<Order> {
  readonly name: string;
  /** Which words are understood, as half a sentence. */
  readonly usage: string;
  /** Null when the words are not understood. */
  readonly orderIn: (words: readonly string[]) => Order | null;
  /** Says what there is to say and ends. */
  readonly obey: (order: Order, parts: CommandParts) => Promise<void>;
}

/** What a command of an operator works with. */
export interface CommandParts {
  readonly kernel: Kernel;
  readonly dataSource: DataSource;
  /** Says a line on standard output. Wait for it: what nobody has read yet would pile up in memory. */
  readonly say: (line: string) => Promise<void>;
  /**
   * Connects to the event log when it is needed.
   *
   * @throws CommandRefused where no process has ever started
   */
  readonly openLog: () => Promise<InstallationLog>;
}

/** Nobody reads any more what a command says, as behind `| head`. */
class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}

/** The event log of an installation, and over how many partitions it is spread. */
export interface InstallationLog {
  readonly partitioning: Partitioning;
  /** In the generation of the partitioning. */
  readonly log: EventLog;
}

const CLOSE_WITHIN_MS = 5_000;

/**
 * Runs a command of an operator: DATABASE_URL, and KAFKA_BROKERS where the log is there, are all it needs, and nothing
 * at all for `--help`. Exit code 0 when it was obeyed. What it throws is said in a sentence on standard error, with exit
 * code 1; it ends without a word when nobody listens any more.
 */
export async function runCommand<Order>(
  { name, usage, orderIn, obey }: Command<Order>,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  let kernel: Kernel | undefined;
  try {
    if (asksForHelp(words)) return await say(`${name}: ${usage}`);
    const order = orderIn(words);
    if (order === null) throw new CommandRefused(usage);
    kernel = createKernel(loadConfig(env), { service: name });
    await obey(order, await connect(kernel, name));
  } catch (error) {
    process.exitCode = 1;
    if (!(error instanceof ReaderGone)) process.stderr.write(`${complaint(error, name)}\n`);
  }
  await kernel?.shutdown.run(CLOSE_WITHIN_MS);
}

/** Whether the words on a command line ask how it is used. */
export function asksForHelp(words: readonly string[]): boolean {
  return words.some((word) => word === '--help' || word === '-h');
}

function complaint(error: unknown, name: string): string {
  return error instanceof CommandRefused ? `Nothing was changed: ${error.message}.` : startupProblem(error, name);
}

function say(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.off('error', toldToTheWriter).on('error', toldToTheWriter);
    process.stdout.write(`${line}\n`, (error) => {
      if (!error) resolve();
      else reject(codeOf(error) === 'EPIPE' ? new ReaderGone('nobody reads', { cause: error }) : error);
    });
  });
}

/** Every write hears of its own failure; the event beside it would end the process with a stack trace. */
function toldToTheWriter(): void {}

async function connect(kernel: Kernel, name: string): Promise<CommandParts> {
  const databaseUrl = requireVariable(kernel.config, 'DATABASE_URL');
  const applicationName = `flatline-${name}`;
  const dataSource = await createDataSource({ databaseUrl, poolSize: 2, applicationName }).initialize();
  kernel.shutdown.on('database', 'database', () => dataSource.destroy());
  return {
    kernel,
    dataSource,
    say,
    openLog: async () => {
      const partitioning = await readPartitioning(dataSource.manager);
      if (!partitioning) throw new CommandRefused('no process has ever started here');
      const log = await openEventLog(kernel, databaseUrl);
      kernel.shutdown.on('producers', 'event log', () => log.close());
      return { partitioning, log: inGeneration(log, partitioning.generation) };
    },
  };
}
