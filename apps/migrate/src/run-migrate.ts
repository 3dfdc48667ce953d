import { setTimeout as sleep } from 'node:timers/promises';
import { ensureBootstrapKey } from '@flatline/app-management-api';
import {
  asksForHelp,
  connectDatabase,
  requireDurability,
  requireInstallation,
  ServerAway,
  startupProblem,
} from '@flatline/infrastructure';
import { migrate } from '@flatline/persistence';
import { createKernel, type Kernel, loadConfig, requireVariable } from '@flatline/service-kernel';
import type { DataSource } from 'typeorm';

/** A server that starts at the same time is waited for; one that is missing for longer ends the step. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 500;
const USAGE = 'it takes no arguments; DATABASE_URL says which database is brought up to date';
const CLOSE_WITHIN_MS = 5_000;

/**
 * The step before the services of a version start, safe to run any number of times and by several at once:
 *
 * 1. connect to Postgres, which must keep commits
 * 2. bring the schema up to date
 * 3. record the settings that every process must share, or refuse those that contradict them
 * 4. make sure that somebody can get in: a first project, and a key of an instance administrator. A key that is made
 *    now is printed as a line `FLATLINE_API_KEY=…` on standard output, this once and never again
 *
 * Ends with exit code 0, or with 1 and one sentence on standard error.
 */
export async function runMigrate(words: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  let kernel: Kernel | undefined;
  try {
    if (asksForHelp(words)) {
      process.stdout.write(`migrate: ${USAGE}\n`);
      return;
    }
    if (words.length > 0) throw new Error(USAGE);
    kernel = createKernel(loadConfig(env), { service: 'migrate' });
    await run(kernel);
  } catch (error) {
    process.stderr.write(`${startupProblem(error, 'migrate')}\n`);
    process.exitCode = 1;
  }
  await kernel?.shutdown.run(CLOSE_WITHIN_MS);
}

async function run(kernel: Kernel): Promise<void> {
  const { config, clock, logger } = kernel;
  const databaseUrl = requireVariable(config, 'DATABASE_URL');
  const dataSource = await connectPatiently(kernel, databaseUrl); // 1
  await requireDurability(dataSource);
  await migrate(databaseUrl); // 2
  await requireInstallation(kernel, dataSource); // 3
  const { newKey } = await ensureBootstrapKey(dataSource, clock, { apiKey: config.FLATLINE_BOOTSTRAP_API_KEY }); // 4
  if (newKey !== null) process.stdout.write(`FLATLINE_API_KEY=${newKey}\n`);
  logger.info('the schema is up to date');
}

async function connectPatiently(kernel: Kernel, databaseUrl: string): Promise<DataSource> {
  const { clock, logger } = kernel;
  const patientUntil = clock.monotonic() + PATIENCE_MS;
  let isSaid = false;
  for (;;) {
    try {
      return await connectDatabase(kernel, databaseUrl);
    } catch (error) {
      if (!(error instanceof ServerAway) || clock.monotonic() > patientUntil) throw error;
      if (!isSaid) logger.warn({ err: error.cause }, `waiting: ${error.message}`);
      isSaid = true;
    }
    await sleep(RETRY_MS);
  }
}
