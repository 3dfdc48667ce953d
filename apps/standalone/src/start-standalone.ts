import * as path from 'node:path';
import { claimEventLog, lockDataDirectory, tokenKeysOf } from '@flatline/embedded-postgres';
import { startOperatorWatch, startOwnPostgres } from '@flatline/infrastructure';
import {
  assertPortIsFree,
  createKernel,
  type FlatlineConfig,
  type Kernel,
  loadConfig,
  publicBaseUrl,
  type StartedFlatline,
} from '@flatline/service-kernel';

/**
 * Starts everything, in this order; each step enters its end into the shutdown sequence before the next begins:
 *
 * 1. lock the data directory, so that a second Flatline on it ends here
 * 2. look whether the port is free, before anything else is touched; then claim the directory for the log, so that one
 *    that keeps its events elsewhere ends here
 * 3. the key that signs ping tokens, made at the first start
 * 4. the embedded Postgres, unless DATABASE_URL names another; meanwhile the services' code is loaded, which takes as
 *    long as making a database
 * 5. the services (services.ts), until they are ready
 */
export async function startStandalone(kernel: Kernel, env: NodeJS.ProcessEnv): Promise<StartedFlatline> {
  const { config } = kernel;
  const dataDir = path.resolve(config.FLATLINE_DATA_DIR);
  const lock = lockDataDirectory(dataDir); // for as long as this process lives
  startOperatorWatch(kernel, 'flatline', { watchesDisk: true });
  await assertPortIsFree(config);
  if (!config.KAFKA_BROKERS) claimEventLog(dataDir, 'postgres');
  const complete = createKernel(withTokenKeys(config, env, dataDir), kernelParts(kernel));

  const [databaseUrl, { startServices }] = await Promise.all([
    config.DATABASE_URL ??
      startOwnPostgres(kernel, { name: 'the embedded Postgres', dataDir, lock }).then(({ url }) => url),
    import('./services'),
  ]);
  const { port, newApiKey } = await startServices(complete, databaseUrl);
  return {
    baseUrl: publicBaseUrl(config, port),
    newApiKey,
    dataDir,
    usesEmbeddedPostgres: config.DATABASE_URL === undefined,
    config,
  };
}

function kernelParts({ clock, health, metrics, shutdown, tracing }: Kernel) {
  metrics.includeProcess();
  return { clock, health, metrics, shutdown, tracing };
}

function withTokenKeys(config: FlatlineConfig, env: NodeJS.ProcessEnv, dataDir: string): FlatlineConfig {
  if (config.PING_TOKEN_KEYS) return config;
  return loadConfig({ ...env, PING_TOKEN_KEYS: tokenKeysOf(dataDir) });
}
