import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { claimEventLog, lockDataDirectory, tokenKeysOf } from '@flatline/embedded-postgres';
import { findFreePorts } from '@flatline/local-servers';
import {
  assertPortIsFree,
  type FlatlineConfig,
  isPretty,
  type Kernel,
  publicBaseUrl,
  type StartedFlatline,
} from '@flatline/service-kernel';
import { endLeftoverProcesses } from './leftover-processes';
import { runMigrations } from './run-migrations';
import { type OwnServer, startServers } from './servers';
import { type RunningService, SERVICES, Services, type ServiceStart } from './services';
import { terminalLine } from './terminal-line';

export interface StartedCluster extends StartedFlatline {
  readonly servers: readonly OwnServer[];
  readonly services: readonly RunningService[];
}

const HOST_OF_PARTS = '127.0.0.1';
const READY_CHECK_MS = 50;
const READY_TIMEOUT_MS = 3_000;
const STILL_STARTING_EVERY_MS = 10_000;

/**
 * Starts a whole cluster on this machine, in this order; each step enters its end into the shutdown sequence:
 *
 * 1. lock the data directory, so that a second Flatline on it ends here, and so does one that keeps its events elsewhere
 * 2. end the processes that a killed supervisor left behind; look whether the port is free
 * 3. Postgres, Kafka and Redis, unless the environment names others
 * 4. migrate
 * 5. the services, two of each unless told otherwise, and the gateway, until all are ready
 */
export async function startCluster(kernel: Kernel, env: NodeJS.ProcessEnv): Promise<StartedCluster> {
  const { config, logger } = kernel;
  const dataDir = path.resolve(config.FLATLINE_DATA_DIR);
  const lock = lockDataDirectory(dataDir); // 1, for as long as this process lives
  if (!config.KAFKA_BROKERS) claimEventLog(dataDir, 'kafka');
  if ((await endLeftoverProcesses(dataDir)) > 0) logger.info('ended what an earlier start left running'); // 2
  await assertPortIsFree(config);

  const servers = await startServers(kernel, { dataDir, lock }); // 3
  const ports = await choosePorts(config);
  const common = {
    ...env,
    ...Object.assign({}, ...servers.map((server) => server.env)),
    FLATLINE_DATA_DIR: dataDir,
    PING_TOKEN_KEYS: env['PING_TOKEN_KEYS'] || tokenKeysOf(dataDir),
    PUBLIC_BASE_URL: publicBaseUrl(config, ports.gateway),
    LOG_FORMAT: 'json',
  };
  const logDir = path.join(dataDir, 'logs');
  const show = (line: string): void => {
    const shown = terminalLine(line, { isPretty: isPretty(config) });
    if (shown !== null) process.stdout.write(`${shown}\n`);
  };
  const newApiKey = await runMigrations({ env: common, logFile: path.join(logDir, 'migrate.log'), show }); // 4

  const services = new Services(kernel, logDir, show); // 5
  for (const each of plan(common, config, ports)) await services.start(each);
  await Promise.race([untilReady(kernel, services.running), services.refused]);
  services.settle();
  return {
    baseUrl: publicBaseUrl(config, ports.gateway),
    newApiKey,
    dataDir,
    usesEmbeddedPostgres: config.DATABASE_URL === undefined,
    config,
    servers,
    services: services.running,
  };
}

interface Ports {
  readonly gateway: number;
  readonly parts: readonly number[];
}

async function choosePorts(config: FlatlineConfig): Promise<Ports> {
  const count = SERVICES.length * config.CLUSTER_PROCESSES_PER_SERVICE;
  const [spare = 0, ...parts] = (await findFreePorts(count + 2)).filter((port) => port !== config.PORT);
  return { gateway: config.PORT || spare, parts };
}

/** Every process with what is its own in its environment. */
function plan(common: NodeJS.ProcessEnv, config: FlatlineConfig, { gateway, parts }: Ports): ServiceStart[] {
  const left = [...parts];
  const starts = SERVICES.flatMap((service) =>
    Array.from({ length: config.CLUSTER_PROCESSES_PER_SERVICE }, (_, index) => {
      const port = left.shift()!;
      return {
        name: `${service}-${index + 1}`,
        service,
        port,
        env: { ...common, HOST: HOST_OF_PARTS, PORT: `${port}` },
      };
    }),
  );
  const urlsOf = (service: string): string =>
    starts
      .filter((start) => start.service === service)
      .map(({ port }) => `http://${HOST_OF_PARTS}:${port}`)
      .join(',');
  const env = {
    ...{ ...common, HOST: config.HOST, PORT: `${gateway}` },
    INGEST_URLS: urlsOf('ingest'),
    MANAGEMENT_API_URLS: urlsOf('management-api'),
  };
  return [...starts, { name: 'gateway', service: 'gateway', port: gateway, env }];
}

async function untilReady(
  { clock, config, logger, shutdown }: Kernel,
  services: readonly RunningService[],
): Promise<void> {
  let patientUntil = clock.monotonic() + STILL_STARTING_EVERY_MS;
  while (!shutdown.begun) {
    const answers = await Promise.all(services.map((service) => missingOf(service, config)));
    const missing = answers.filter((answer) => answer !== null);
    if (missing.length === 0) return;
    if (clock.monotonic() > patientUntil) {
      logger.warn({ missing }, 'still starting');
      patientUntil = clock.monotonic() + STILL_STARTING_EVERY_MS;
    }
    await sleep(READY_CHECK_MS);
  }
}

/** Null when it is ready. */
async function missingOf({ name, service, port }: RunningService, { HOST }: FlatlineConfig): Promise<string | null> {
  const base =
    service === 'gateway'
      ? publicBaseUrl({ HOST, PORT: port, PUBLIC_BASE_URL: undefined })
      : `http://${HOST_OF_PARTS}:${port}`;
  try {
    const response = await fetch(`${base}/readyz`, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) });
    return response.ok ? null : `${name}: ${((await response.json()) as { error: string }).error}`;
  } catch {
    return `${name}: does not answer yet`;
  }
}
