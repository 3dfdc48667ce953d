import { rmSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { NetworkProxy } from '../world/proxy';
import type { FaultyServer } from '../world/servers';
import type { World } from '../world/world';
import { type FaultPlan, type FaultTarget, PROCESSES, type ProcessName } from './fault';

/** Of a process that stutters: stopped, then running, ms. */
const STUTTER_STOPPED_MS = 150;
const STUTTER_RUNNING_MS = 50;
const ABORT_EVERY_MS = 50;

/**
 * Makes a fault and ends it. Resolves when it is over: then everything runs again, or is being started by the supervisor.
 * Two faults must not be made to the same process at the same time.
 */
export async function inject(fault: Omit<FaultPlan, 'atMs'>, world: World): Promise<void> {
  const { kind, target, lastsMs, amountMs = 0 } = fault;
  switch (kind) {
    case 'kill':
    case 'kill-all':
      return world.processes.kill(...processesOf(target));
    case 'stop':
      return world.processes.stop(...processesOf(target));
    case 'freeze':
    case 'freeze-all':
      return during(lastsMs, freezer(target, world));
    case 'stutter':
      return stutter(lastsMs, freezer(target, world));
    case 'outage': {
      const server = serverOf(target, world);
      return during(lastsMs, { begin: () => server.kill(), end: () => server.start() });
    }
    case 'flush':
      return flush(world);
    case 'abort-commits':
      return abortCommits(lastsMs, world);
    case 'lost-answers':
    case 'cut':
    case 'slow': {
      const network = networkOf(target, world);
      const begin = {
        'lost-answers': () => network.loseAnswers(),
        cut: () => network.cut(),
        slow: () => network.delay(amountMs),
      }[kind];
      return during(lastsMs, { begin, end: () => network.mend() });
    }
    case 'part':
      return part(fault, world);
    case 'clock':
      return shiftClocks(lastsMs, amountMs, processesOf(target), world);
  }
}

/** The processes of the cluster that a fault is made to; none when it is made to a server. */
export function processesOf(target: FaultTarget): ProcessName[] {
  return PROCESSES.filter((name) => name === target || name.replace(/-\d$/, '') === target);
}

interface Spell {
  readonly begin: () => void | Promise<void>;
  readonly end: () => void | Promise<void>;
}

async function during(ms: number, { begin, end }: Spell): Promise<void> {
  await begin();
  try {
    await sleep(ms);
  } finally {
    await end();
  }
}

function serverOf(target: FaultTarget, { servers }: World): FaultyServer {
  const server = servers.get(target);
  if (!server) throw new Error(`${target} is not a server`);
  return server;
}

function networkOf(target: FaultTarget, { networks }: World): NetworkProxy {
  const network = networks.get(target);
  if (!network) throw new Error(`there is no network before ${target}`);
  return network;
}

/** For one freeze after the other. */
function freezer(target: FaultTarget, world: World): Spell {
  const server = world.servers.get(target);
  if (server) return { begin: () => server.freeze(), end: () => server.thaw() };
  let frozen: readonly number[] = [];
  return {
    begin: () => {
      frozen = world.processes.freeze(...processesOf(target));
    },
    end: () => world.processes.thaw(frozen),
  };
}

async function stutter(ms: number, spell: Spell): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    await during(STUTTER_STOPPED_MS, spell);
    await sleep(STUTTER_RUNNING_MS);
  }
}

async function part({ target, from, lastsMs }: Omit<FaultPlan, 'atMs'>, world: World): Promise<void> {
  if (from === undefined) throw new Error(`${target} is to be parted from nothing`);
  const network = networkOf(from, world);
  const [name] = processesOf(target);
  if (name === undefined) throw new Error(`${target} is not a process`);
  await during(lastsMs, {
    begin: () => network.cut(() => world.processes.portsOf(name)),
    end: () => network.mend(),
  });
}

async function flush({ redisUrl }: World): Promise<void> {
  if (redisUrl === null) throw new Error('there is no Redis to flush');
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: 0, lazyConnect: true });
  redis.on('error', () => undefined); // told by connect
  try {
    await redis.connect();
    await redis.flushall();
  } catch {
    // It is away by an earlier fault: nothing to flush.
  } finally {
    redis.disconnect();
  }
}

/** Sessions that are in a transaction, ours excluded. */
const ABORT = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND xact_start IS NOT NULL`;

async function abortCommits(ms: number, { database }: World): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    await database.query(ABORT).catch(() => undefined); // Postgres is away by an earlier fault
    await sleep(ABORT_EVERY_MS);
  }
}

async function shiftClocks(
  ms: number,
  byMs: number,
  names: readonly ProcessName[],
  { clockDir }: World,
): Promise<void> {
  const files = names.map((name) => path.join(clockDir, name));
  await during(ms, {
    begin: () => files.forEach((file) => writeFileSync(file, String(byMs))),
    end: () => files.forEach((file) => rmSync(file, { force: true })),
  });
}
