import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import * as path from 'node:path';
import { lockDataDirectory, readOrCreatePrivateFile } from '@flatline/embedded-postgres';
import { createKernel, type FlatlineConfig, type Kernel, loadConfig, publicBaseUrl } from '@flatline/service-kernel';
import { startEmbeddedDatabase } from './embedded-database';

/** What is worth telling the person who started it. */
export interface StartedStandalone {
  readonly baseUrl: string;
  /** The first key, when it was made by this start; it is never shown again. */
  readonly newApiKey: string | null;
  readonly dataDir: string;
  readonly usesEmbeddedPostgres: boolean;
  readonly config: FlatlineConfig;
}

const TOKEN_KEY_FILE = 'ping-token-keys';

/**
 * Starts everything, in this order; each step enters its end into the shutdown sequence before the next begins:
 *
 * 1. lock the data directory, so that a second Flatline on it ends here
 * 2. look whether the port is free, before anything else is touched
 * 3. the key that signs ping tokens, made at the first start
 * 4. the embedded Postgres, unless DATABASE_URL names another; meanwhile the services' code is loaded, which takes as
 *    long as making a database
 * 5. the services (services.ts), until they are ready
 */
export async function startStandalone(kernel: Kernel, env: NodeJS.ProcessEnv): Promise<StartedStandalone> {
  const { config } = kernel;
  const dataDir = path.resolve(config.FLATLINE_DATA_DIR);
  const lock = lockDataDirectory(dataDir); // for as long as this process lives
  await assertPortIsFree(config);
  const complete = createKernel(withTokenKeys(config, env, dataDir), kernelParts(kernel));

  const [databaseUrl, { startServices }] = await Promise.all([
    config.DATABASE_URL ?? startEmbeddedDatabase(kernel, dataDir, lock),
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

function kernelParts({ clock, health, metrics, shutdown }: Kernel) {
  metrics.includeProcess();
  return { clock, health, metrics, shutdown };
}

async function assertPortIsFree({ HOST, PORT }: FlatlineConfig): Promise<void> {
  if (PORT === 0) return;
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen({ host: HOST, port: PORT }, () => probe.close(() => resolve()));
  });
}

function withTokenKeys(config: FlatlineConfig, env: NodeJS.ProcessEnv, dataDir: string): FlatlineConfig {
  if (config.PING_TOKEN_KEYS) return config;
  const keys = readOrCreatePrivateFile(path.join(dataDir, TOKEN_KEY_FILE), () => randomBytes(32).toString('base64url'));
  return loadConfig({ ...env, PING_TOKEN_KEYS: keys });
}
