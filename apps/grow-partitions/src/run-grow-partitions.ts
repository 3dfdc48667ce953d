import { parseArgs } from 'node:util';
import { asksForHelp, openEventLog, startupProblem } from '@flatline/infrastructure';
import { createDataSource } from '@flatline/persistence';
import { createKernel, type Kernel, loadConfig, requireVariable } from '@flatline/service-kernel';
import { growPartitions, type Growth, GrowthRefused } from './grow-partitions';

const NAME = 'grow-partitions';
const USAGE = 'say how many partitions there shall be: grow-partitions --to 64';
const CLOSE_WITHIN_MS = 5_000;

/**
 * The command that spreads the heartbeats over more partitions while nothing of Flatline runs. Ends with exit code 0
 * when they are as many as asked for, and with 1 and a sentence on standard error otherwise.
 */
export async function runGrowPartitions(words: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  let kernel: Kernel | undefined;
  try {
    if (asksForHelp(words)) {
      process.stdout.write(`${NAME}: ${USAGE}\n`);
      return;
    }
    const to = partitionsIn(words);
    if (to === null) throw new Error(USAGE);
    kernel = createKernel(loadConfig(env), { service: NAME });
    process.stdout.write(`${said(await grow(kernel, to))}\n`);
  } catch (error) {
    const refused = error instanceof GrowthRefused;
    process.stderr.write(`${refused ? `Nothing was changed: ${error.message}.` : startupProblem(error, NAME)}\n`);
    process.exitCode = 1;
  }
  await kernel?.shutdown.run(CLOSE_WITHIN_MS);
}

function partitionsIn(words: readonly string[]): number | null {
  try {
    const { to } = parseArgs({ args: [...words], options: { to: { type: 'string' } } }).values;
    return to !== undefined && /^\d{1,4}$/.test(to) ? Number(to) : null;
  } catch {
    return null; // an option we do not know: the usage says which one there is
  }
}

async function grow(kernel: Kernel, to: number): Promise<Growth> {
  const databaseUrl = requireVariable(kernel.config, 'DATABASE_URL');
  const dataSource = await createDataSource({
    databaseUrl,
    poolSize: 1,
    queryTimeoutMs: 0, // ten million rows take their time
    applicationName: 'flatline-grow-partitions',
  }).initialize();
  kernel.shutdown.on('database', 'database', () => dataSource.destroy());
  const log = await openEventLog(kernel, databaseUrl);
  kernel.shutdown.on('producers', 'event log', () => log.close());
  return growPartitions({ dataSource, log, clock: kernel.clock }, to);
}

function said(growth: Growth): string {
  if (growth.outcome === 'already') return `there are ${growth.partitions} partitions already; nothing was changed`;
  const seconds = (growth.tookMs / 1000).toFixed(1);
  return (
    `${growth.heartbeats} heartbeats are spread over ${growth.partitions} partitions now, ${growth.moved} of them moved, ` +
    `in ${seconds} s; set PING_PARTITIONS=${growth.partitions} for every process and start them`
  );
}
