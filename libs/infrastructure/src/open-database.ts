import {
  createDataSource,
  durabilityProblem,
  type Partitioning,
  requireKnownTokenKeys,
  requirePartitioning,
  schemaIsBehind,
} from '@flatline/persistence';
import type { Kernel } from '@flatline/service-kernel';
import type { DataSource } from 'typeorm';
import { reach, ServerAway, UnusableServer } from './server-away';

/**
 * Connects to Postgres and enters the end into the shutdown sequence. Nothing is checked yet.
 *
 * @param onQueryError told of every statement that fails, whoever handles it
 */
export async function connectDatabase(
  { config, shutdown }: Kernel,
  databaseUrl: string,
  onQueryError: (error: unknown) => void = () => undefined,
): Promise<DataSource> {
  const dataSource = await reach('database', 'Postgres', () =>
    createDataSource({ databaseUrl, poolSize: config.DATABASE_POOL_SIZE, onQueryError }).initialize(),
  );
  shutdown.on('database', 'database', () => dataSource.destroy());
  return dataSource;
}

/**
 * Connects to a Postgres that holds this installation.
 *
 * @throws ServerAway when it cannot be reached or its schema is behind this version
 * @throws UnusableServer when it may lose commits
 * @throws InstallationMismatch when it belongs to an installation with other settings
 */
export async function openDatabase(
  kernel: Kernel,
  databaseUrl: string,
  onQueryError: (error: unknown) => void,
): Promise<{ dataSource: DataSource; partitioning: Partitioning }> {
  const dataSource = await connectDatabase(kernel, databaseUrl, onQueryError);
  const partitioning = await reach('database', 'Postgres', async () => {
    if (await schemaIsBehind(dataSource)) {
      throw new ServerAway('database', 'the schema is behind this version; run dist/apps/migrate/main.js');
    }
    await requireDurability(dataSource);
    return requireInstallation(kernel, dataSource);
  });
  return { dataSource, partitioning };
}

/** @throws UnusableServer */
export async function requireDurability(dataSource: DataSource): Promise<void> {
  const problem = await durabilityProblem(dataSource);
  if (problem) throw new UnusableServer(problem);
}

/**
 * Holds this process to the settings the installation was started with, or records them when it is the first.
 *
 * @throws InstallationMismatch
 */
export async function requireInstallation({ config }: Kernel, dataSource: DataSource): Promise<Partitioning> {
  const partitioning = await requirePartitioning(dataSource, config.PING_PARTITIONS);
  if (config.PING_TOKEN_KEYS) {
    await requireKnownTokenKeys(dataSource, config.PING_TOKEN_KEYS, { acceptNew: config.ACCEPT_NEW_PING_TOKEN_KEYS });
  }
  return partitioning;
}

/** For readiness. */
export async function databaseMissing(dataSource: DataSource): Promise<string | null> {
  try {
    await dataSource.query('SELECT 1');
    return null;
  } catch {
    return 'Postgres does not answer';
  }
}
