import * as path from 'node:path';
import { childrenOf, freezeTree, freePort } from '@flatline/test-kit';
import type { ProcessName } from '../faults/fault';
import { EmbeddedDatabase } from './embedded-database';
import { byName, type Installation, type InstallationOptions, READY_WITHIN_MS } from './installation';
import { KeptFlatline } from './kept-flatline';
import { Processes, signal } from './processes';
import { NetworkProxy } from './proxy';
import type { FaultyServer } from './servers';

/** As it is with nothing configured. */
const PARTITIONS = 4;

/** Starts what `npm start` runs, with its Postgres in it. */
export async function startEmbeddedInstallation(options: InstallationOptions): Promise<Installation> {
  const { folder, clockDir, journal, atTheEnd } = options;
  const port = await freePort();
  const wayIn = await NetworkProxy.start(() => port);
  atTheEnd(() => wayIn.stop());
  const flatline = new KeptFlatline({
    ...{ port, journal, dataDir: path.join(folder, 'data'), logFile: path.join(folder, 'flatline.log') },
    env: { CLOCK_OFFSET_FILE: path.join(clockDir, 'Flatline') },
  });
  atTheEnd(() => flatline.stop());
  await flatline.ready({ withinMs: READY_WITHIN_MS });
  const database = new EmbeddedDatabase(flatline.dataDir);
  atTheEnd(() => database.close());
  return {
    ...{ baseUrl: `http://127.0.0.1:${wayIn.port}`, database, clockDir, redisUrl: null, partitions: PARTITIONS },
    processes: new Processes((name) => pidsOf(flatline, name)),
    servers: byName<FaultyServer>({
      Flatline: {
        ...halting(() => flatline.pids),
        kill: () => flatline.keepAway({ withPostgres: false }),
        start: () => flatline.letBack(),
      },
      'embedded-Postgres': {
        ...halting(() => freezeTree(...flatline.postgresPids)),
        kill: async () => flatline.postgresPids.forEach((pid) => signal(pid, 'SIGKILL')),
        start: async () => undefined, // Flatline does it
      },
      machine: {
        ...halting(() => freezeTree(...flatline.pids, ...flatline.postgresPids)),
        kill: () => flatline.keepAway({ withPostgres: true }),
        start: () => flatline.letBack(),
      },
    }),
    networks: byName({ 'way-in': wayIn }),
  };
}

function pidsOf(flatline: KeptFlatline, name: ProcessName): readonly number[] {
  switch (name) {
    case 'Flatline':
      return flatline.pids;
    case 'embedded-Postgres':
      return flatline.postgresPids;
    case 'embedded-Postgres-sessions':
      return flatline.postgresPids.flatMap(childrenOf);
    default:
      throw new Error(`${name} is a process of a cluster`);
  }
}

/** @param stop sends SIGSTOP, and answers to whom */
function halting(stop: () => readonly number[]): Pick<FaultyServer, 'freeze' | 'thaw'> {
  let frozen: readonly number[] = [];
  return {
    freeze: () => {
      frozen = stop();
    },
    thaw: () => frozen.forEach((pid) => signal(pid, 'SIGCONT')),
  };
}
