import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { mkdirSync } from 'node:fs';
import * as path from 'node:path';
import { Module } from '@nestjs/common';
import { DeadlineSchedulerModule } from '@flatline/app-deadline-scheduler';
import { IngestModule } from '@flatline/app-ingest';
import { ensureBootstrapKey, ManagementApiModule } from '@flatline/app-management-api';
import { NotifierModule } from '@flatline/app-notifier';
import { type EmbeddedPostgres, readOrCreatePrivateFile, startEmbeddedPostgres } from '@flatline/embedded-postgres';
import { openInfrastructure } from '@flatline/infrastructure';
import { migrate } from '@flatline/persistence';
import {
  createKernel,
  type FlatlineConfig,
  type Kernel,
  KernelModule,
  loadConfig,
  publicBaseUrl,
  SHUTDOWN_DEADLINE_MS,
  startHttpApplication,
} from '@flatline/service-kernel';

@Module({})
class StandaloneRoot {}

/** What is worth telling the person who started it. */
export interface StartedStandalone {
  readonly baseUrl: string;
  /** The first key, when it was made by this start; it is never shown again. */
  readonly newApiKey: string | null;
  readonly dataDir: string;
  readonly usesEmbeddedPostgres: boolean;
  readonly config: FlatlineConfig;
}

const READY_WITHIN_MS = 30_000;
const READY_CHECK_MS = 25;
const TOKEN_KEY_FILE = 'ping-token-keys';
/** This process holds the lock of the data directory, or else fences whoever used the same database before. */
const EXCLUSIVE_INGEST_ID = 'standalone';

/**
 * Starts everything, in this order; each step enters its end into the shutdown sequence before the next begins:
 *
 * 1. look whether the port is free, before anything is touched
 * 2. the embedded Postgres, which locks the data directory, unless DATABASE_URL names another
 * 3. the key that signs ping tokens, made at the first start
 * 4. migrations, then the database, the event log and the timers
 * 5. the first project and API key
 * 6. the four services in one application on one port
 * 7. wait until pings are accepted durably and deadlines are judged
 */
export async function startStandalone(kernel: Kernel, env: NodeJS.ProcessEnv): Promise<StartedStandalone> {
  const { config, shutdown } = kernel;
  const dataDir = path.resolve(config.FLATLINE_DATA_DIR);
  await assertPortIsFree(config);

  const databaseUrl = config.DATABASE_URL ?? (await startPostgres(kernel, dataDir)).url;
  const complete = createKernel(withTokenKeys(config, env, dataDir), kernelParts(kernel));

  await migrate(databaseUrl);
  const { providers, dataSource } = await openInfrastructure(complete, databaseUrl);
  const { newKey } = await ensureBootstrapKey(dataSource, complete.clock, {
    apiKey: config.FLATLINE_BOOTSTRAP_API_KEY,
  });

  const root = {
    module: StandaloneRoot,
    imports: [
      KernelModule.forRoot(complete, providers),
      IngestModule.forRoot({
        exclusiveId: EXCLUSIVE_INGEST_ID,
        onFenced: () => endBecause(complete, 'another Flatline uses the same database; this one stops'),
      }),
      ManagementApiModule,
      DeadlineSchedulerModule.forRoot(),
      NotifierModule.forRoot(),
    ],
  };
  const { port } = await startHttpApplication(root, complete);
  await untilReady(complete, () => shutdown.begun);
  return {
    baseUrl: publicBaseUrl(config, port),
    newApiKey: newKey,
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

async function startPostgres(kernel: Kernel, dataDir: string): Promise<EmbeddedPostgres> {
  const { config, logger, shutdown } = kernel;
  let ended = (): void => {};
  const postgres = await startEmbeddedPostgres({
    dataDir,
    reservedPort: config.PORT,
    onLog: (line) => logger.debug({ postgres: line }, 'embedded Postgres'),
    onExit: () => ended(),
  });
  ended = () => {
    if (shutdown.begun) return;
    logger.error('the embedded Postgres ended; starting it again');
    postgres.restart().catch((error: unknown) => {
      logger.fatal({ err: error }, 'the embedded Postgres did not start again');
      endBecause(kernel, 'the embedded Postgres ended and did not start again');
    });
  };
  shutdown.on('servers', 'embedded Postgres', () => postgres.stop());
  return postgres;
}

function withTokenKeys(config: FlatlineConfig, env: NodeJS.ProcessEnv, dataDir: string): FlatlineConfig {
  if (config.PING_TOKEN_KEYS) return config;
  mkdirSync(dataDir, { recursive: true });
  const keys = readOrCreatePrivateFile(path.join(dataDir, TOKEN_KEY_FILE), () => randomBytes(32).toString('base64url'));
  return loadConfig({ ...env, PING_TOKEN_KEYS: keys });
}

async function untilReady({ clock, health }: Kernel, stopping: () => boolean): Promise<void> {
  const deadline = clock.monotonic() + READY_WITHIN_MS;
  for (;;) {
    const missing = await health.check();
    if (missing.length === 0 || stopping()) return;
    if (clock.monotonic() > deadline) {
      const sentences = missing.map((each) => `${each.component}: ${each.missing}`).join('; ');
      throw new Error(`not ready within ${READY_WITHIN_MS / 1000} s (${sentences})`);
    }
    await new Promise((resolve) => setTimeout(resolve, READY_CHECK_MS));
  }
}

function endBecause({ logger, shutdown }: Kernel, reason: string): void {
  logger.fatal(reason);
  void shutdown.run(SHUTDOWN_DEADLINE_MS).then(() => process.exit(1));
}
