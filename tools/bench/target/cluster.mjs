/**
 * The product as `npm run cluster` runs it, with data of its own in a temporary folder. Which process is what is read from
 * /proc each time it is asked for, because what is killed comes back as another process: Linux only.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as path from 'node:path';
import { readLag } from './metrics.mjs';
import { childrenOf } from './process-tree.mjs';
import { isReady, root, serverAt, sleep, startProductProcess } from './product-process.mjs';

export const SERVICES = ['gateway', 'ingest', 'management-api', 'deadline-scheduler', 'notifier'];
const SERVERS = { kafka: / kafka\.Kafka /, redis: /redis-server/, postgres: /postgres/ };

const ALL_READY_WITHIN_MS = 60_000;
const WELL_LAG_SECONDS = 2;
const require = createRequire(import.meta.url);

/**
 * @typedef {import('./product-process.mjs').Part & { port: number | null, environment: Record<string, string> }} ClusterPart
 *   port: null for the servers; environment: as the process was started with
 * @typedef {import('./product-process.mjs').Target & { processes: () => ClusterPart[], untilAllReady: () => Promise<void>,
 *   processesPerService: number, databaseUrl: string, redisUrl: string, tokenKeys: Buffer[] }} ClusterTarget
 */

/**
 * @param {{ dataDir: string, logFile: string, processesPerService?: number, env?: Record<string, string> }} options
 * @returns {Promise<ClusterTarget>} once all processes are ready and every shard is read
 */
export async function startCluster({ processesPerService = 2, env = {}, ...options }) {
  if (process.platform !== 'linux') throw new Error('The parts of a cluster are found in /proc: this needs Linux.');
  const startedAt = performance.now();
  const product = await startProductProcess({
    ...options,
    app: 'cluster',
    readyWithinMs: 300_000, // the first start on a machine fetches Kafka
    stoppedWithinMs: 40_000,
    env: {
      CLUSTER_PROCESSES_PER_SERVICE: String(processesPerService),
      // A service opens its inspector when it is asked to (SIGUSR1), each on a port of its own.
      NODE_OPTIONS: '--inspect-port=0',
      ...env,
    },
  });
  const processes = () => clusterParts(product.pid);
  const ofService = (name) => processes().filter((part) => part.name === name);
  const target = {
    ...product,
    name: 'cluster',
    processesPerService,
    processes,
    untilAllReady: () => untilAllReady(target, (SERVICES.length - 1) * processesPerService + 1),
    ingests: () => ofService('ingest').map(({ port }) => serverAt(port)),
    metricsUrls: (service) =>
      processes()
        .filter(({ name, port }) => port !== null && (service === undefined || service === name))
        .map(({ port }) => `${serverAt(port).baseUrl}/metrics`),
    parts: () => [{ name: 'supervisor', pid: product.pid, isAlone: true }, ...processes()],
    ...settingsOf(ofService('ingest')[0]),
  };
  try {
    await target.untilAllReady();
  } catch (error) {
    await product.stop();
    throw error;
  }
  return { ...target, readyMs: performance.now() - startedAt };
}

function settingsOf({ environment }) {
  const { loadConfig } = require(path.join(root, 'dist', 'libs', 'service-kernel', 'src', 'index.js'));
  return {
    partitions: loadConfig(environment).PING_PARTITIONS,
    databaseUrl: environment.DATABASE_URL,
    redisUrl: environment.REDIS_URL,
    tokenKeys: environment.PING_TOKEN_KEYS.split(',').map((key) => Buffer.from(key, 'base64url')),
  };
}

/** The gateway is ready with one process of each behind it, and a scheduler without shards; what is measured is all of it. */
async function untilAllReady(target, count) {
  const giveUpAt = performance.now() + ALL_READY_WITHIN_MS;
  for (;;) {
    const services = target.processes().filter(({ port }) => port !== null);
    const answers = await Promise.all(services.map(({ port }) => isReady(serverAt(port).baseUrl)));
    const ready = answers.filter(Boolean).length;
    if (ready === count && (await readLag(target)) < WELL_LAG_SECONDS) return;
    if (performance.now() > giveUpAt) throw new Error(`${ready} of ${count} processes are ready.`);
    await sleep(50);
  }
}

/** @returns {ClusterPart[]} the processes that the supervisor keeps running, as they are now */
function clusterParts(supervisorPid) {
  return childrenOf(supervisorPid).flatMap((pid) => {
    const command = wordsOf(pid, 'cmdline').join(' ');
    const service = SERVICES.find((name) => command.includes(`/dist/apps/${name}/main.js`));
    const name = service ?? Object.keys(SERVERS).find((server) => SERVERS[server].test(command));
    const environment = Object.fromEntries(wordsOf(pid, 'environ').map((word) => splitAt(word, word.indexOf('='))));
    if (!name || !environment.PATH) return []; // the migration step, or one that has just ended
    return [{ name, pid, port: service ? Number(environment.PORT) : null, environment }];
  });
}

const splitAt = (text, index) => [text.slice(0, index), text.slice(index + 1)];

function wordsOf(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').filter(Boolean);
  } catch {
    return []; // ended meanwhile
  }
}
