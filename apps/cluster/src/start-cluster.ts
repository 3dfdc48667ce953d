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
import type { ServiceName } from './service-process';
import { type RunningService, SERVICES, Services, type ServiceStart } from './services';
import { terminalLine } from './terminal-line';

export interface StartedCluster extends StartedFlatline {
  readonly servers: readonly OwnServer[];
  readonly services: readonly RunningService[];
}

const HOST_OF_PARTS = '127.0.0.1';
/** One machine has no use for the many shards of a large cluster: each costs a batch of its own, whoever reads it. */
const PARTITIONS_OF_OWN_KAFKA = '8';
const READY_CHECK_MS = 50;
const READY_TIMEOUT_MS = 3_000;
const STILL_STARTING_EVERY_MS = 10_000;

/**
 * Starts a whole cluster on this machine, in this order; each step enters its end into the shutdown sequence:
 *
 * 1. lock the data directory, so that a second Flatline on it ends here, and so does one that keeps its events elsewhere
 * 2. end the processes that a killed supervisor left behind; look whether the port is free
 * 3. the gateway, before anybody it forwards to: from the moment an ingest counts itself as reachable, it is
 * 4. Postgres, Kafka and Redis, unless the environment names others
 * 5. migrate
 * 6. the services, two of each unless told otherwise, until all are ready
 */
export async function startCluster(kernel: Kernel, env: NodeJS.ProcessEnv): Promise<StartedCluster> {
  const { config, logger } = kernel;
  const dataDir = path.resolve(config.FLATLINE_DATA_DIR);
  const lock = lockDataDirectory(dataDir); // 1, for as long as this process lives
  if (!config.KAFKA_BROKERS) claimEventLog(dataDir, 'kafka');
  if ((await endLeftoverProcesses(dataDir)) > 0) logger.info('ended what an earlier start left running'); // 2
  await assertPortIsFree(config);

  const ports = await choosePorts(config);
  const common = {
    ...env,
    FLATLINE_DATA_DIR: dataDir,
    PING_TOKEN_KEYS: env['PING_TOKEN_KEYS'] || tokenKeysOf(dataDir),
    PING_PARTITIONS: env['PING_PARTITIONS'] || (config.KAFKA_BROKERS ? '' : PARTITIONS_OF_OWN_KAFKA),
    PUBLIC_BASE_URL: publicBaseUrl(config, ports.gateway),
    CANARY_URL: env['CANARY_URL'] || urlOfGateway(config, ports.gateway),
    LOG_FORMAT: 'json',
  };
  const logDir = path.join(dataDir, 'logs');
  let isStarting = true;
  const show = (line: string): void => {
    const shown = terminalLine(line, { isPretty: isPretty(config), isStarting });
    if (shown !== null) process.stdout.write(`${shown}\n`);
  };
  const services = new Services(kernel, logDir, show);
  const start = async (each: ServiceStart): Promise<void> => {
    assertGoesOn(kernel);
    await services.start({ ...each, env: { ...each.env, ...clockFaultOf(each.name, config) } });
  };

  await start(gatewayOf(ports, config, common)); // 3
  const servers = await Promise.race([startServers(kernel, { dataDir, lock }), services.refused]); // 4
  assertGoesOn(kernel);
  const complete = { ...common, ...Object.assign({}, ...servers.map((server) => server.env)) };
  const newApiKey = await runMigrations({ env: complete, logFile: path.join(logDir, 'migrate.log'), show }); // 5
  for (const each of servicesOf(ports, complete)) await start(each); // 6
  await Promise.race([untilReady(kernel, services.running), services.refused]);
  services.settle();
  isStarting = false;
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

/** Nothing is started any more once a signal has come: what would stop it may have been asked already. */
function assertGoesOn({ shutdown }: Kernel): void {
  if (shutdown.begun) throw new Error('stopped during the start');
}

/** The file by which a test with faults sets the clock of one process. */
function clockFaultOf(name: string, { CLUSTER_CLOCK_OFFSET_DIR: folder }: FlatlineConfig): NodeJS.ProcessEnv {
  return folder === undefined ? {} : { CLOCK_OFFSET_FILE: path.resolve(folder, name) };
}

interface Ports {
  readonly gateway: number;
  /** Of the services, in the order of SERVICES. */
  readonly services: readonly { readonly name: string; readonly service: ServiceName; readonly port: number }[];
}

/** A part keeps its port when it is started again, so that the gateway finds it. */
async function choosePorts(config: FlatlineConfig): Promise<Ports> {
  const names = SERVICES.flatMap((service) =>
    Array.from({ length: config.CLUSTER_PROCESSES_PER_SERVICE }, (_, index) => ({
      service,
      name: `${service}-${index + 1}`,
    })),
  );
  const free = (await findFreePorts(names.length + 2)).filter((port) => port !== config.PORT);
  return {
    services: names.map((each, index) => ({ ...each, port: free[index]! })),
    gateway: config.PORT || free[names.length]!,
  };
}

function gatewayOf({ gateway, services }: Ports, { HOST }: FlatlineConfig, env: NodeJS.ProcessEnv): ServiceStart {
  const urlsOf = (wanted: ServiceName): string =>
    services
      .filter(({ service }) => service === wanted)
      .map(({ port }) => `http://${HOST_OF_PARTS}:${port}`)
      .join(',');
  return {
    name: 'gateway',
    service: 'gateway',
    port: gateway,
    env: {
      ...{ ...env, HOST, PORT: String(gateway) },
      INGEST_URLS: urlsOf('ingest'),
      MANAGEMENT_API_URLS: urlsOf('management-api'),
    },
  };
}

function servicesOf({ services }: Ports, env: NodeJS.ProcessEnv): ServiceStart[] {
  return services.map((each) => ({ ...each, env: { ...env, HOST: HOST_OF_PARTS, PORT: String(each.port) } }));
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

/** On this machine, whatever it is called elsewhere. */
function urlOfGateway({ HOST }: Pick<FlatlineConfig, 'HOST'>, port: number): string {
  return publicBaseUrl({ HOST, PORT: port, PUBLIC_BASE_URL: undefined });
}

/** Null when it is ready. */
async function missingOf({ name, service, port }: RunningService, { HOST }: FlatlineConfig): Promise<string | null> {
  const base = service === 'gateway' ? urlOfGateway({ HOST }, port) : `http://${HOST_OF_PARTS}:${port}`;
  try {
    const response = await fetch(`${base}/readyz`, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) });
    return response.ok ? null : `${name}: ${((await response.json()) as { error: string }).error}`;
  } catch {
    return `${name}: does not answer yet`;
  }
}
