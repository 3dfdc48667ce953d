import * as fs from 'node:fs';
import { createServer } from 'node:net';
import * as path from 'node:path';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { prepareBinaries } from './binaries';
import { type DataDirectoryLock, lockDataDirectory } from './data-directory-lock';
import {
  type ClusterPlace,
  createCluster,
  DATABASE,
  explainFailure,
  giveAll,
  inspectCluster,
  resetPassword,
  ROLE,
} from './database-cluster';
import { explainFileError, PostgresDidNotStart } from './errors';
import { endLeftovers } from './leftovers';
import { Postmaster, type PostmasterExit } from './postmaster';
import { readOrCreatePrivateFile } from './private-file';
import { chooseServerUser, findRunAs } from './run-as';
import { DEFAULT_SETTINGS, type PostgresSettings } from './settings';

export type EmbeddedPostgresExit = PostmasterExit;

export interface EmbeddedPostgresOptions {
  /** where everything is kept; made when missing */
  dataDir: string;
  /** a line Postgres wrote, or one of ours about it; never holds a secret or data of users */
  onLog?: (line: string) => void;
  /** Postgres ended without `stop()`; called once per start */
  onExit?: (exit: EmbeddedPostgresExit) => void;
  /** added to, or instead of, the settings in settings.ts */
  settings?: PostgresSettings;
  /** of the data directory, when the caller has taken it already; then the caller also gives it back */
  lock?: DataDirectoryLock;
  /** a port it must not take, because the caller is about to */
  reservedPort?: number;
}

export interface EmbeddedPostgres {
  /** connection string of the product's superuser, with the password; loopback only */
  readonly url: string;
  readonly port: number;
  /** of the server as it runs now */
  readonly pid: number;
  /** Ends the server and gives the data directory free (unless it was locked before); at most about 7 s. */
  stop(): Promise<void>;
  /**
   * Starts the server again after `onExit`, on the same port, so that connection pools find it. Rejects as
   * `startEmbeddedPostgres` does; the data directory stays locked until `stop()`.
   */
  restart(): Promise<void>;
}

/** Somebody took the port between our look and the server's. */
const PORT_ATTEMPTS = 5;
/** Sessions of a dead server may need a moment to notice, and whoever kills it while it starts may not do so again. */
const TRIED_FOR_MS = 10_000;

/**
 * Starts the Postgres server of a data directory, as the only one and as the only user of that directory:
 *
 * 1. lock the directory, which fails at once when another Flatline has it;
 * 2. end what an earlier, killed Flatline left running;
 * 3. make the database files at the first start;
 * 4. start the server on a free port of the loopback interface and wait until it accepts connections (after a crash:
 *    until it has replayed its log).
 *
 * Throws the errors of errors.ts; whatever was started by then is stopped.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = path.resolve(options.dataDir);
  const lock = options.lock ? { release: () => undefined } : lockDataDirectory(dataDir);
  try {
    const { place, password } = await prepare(fs.realpathSync(dataDir));
    const server = new EmbeddedServer(place, options, lock);
    await server.start();
    const url = `postgres://${ROLE}:${password}@127.0.0.1:${server.port}/${DATABASE}`;
    return Object.assign(server, { url });
  } catch (error) {
    lock.release();
    throw explainFileError(error, dataDir);
  }
}

/** The server across restarts. */
class EmbeddedServer {
  /** 0: not chosen yet */
  port = 0;
  private postmaster: Postmaster | null = null;
  private isStopping = false;

  constructor(
    private readonly place: ClusterPlace,
    private readonly options: EmbeddedPostgresOptions,
    private readonly lock: DataDirectoryLock,
  ) {}

  get pid(): number {
    return this.postmaster?.pid ?? 0;
  }

  /** Step 4. */
  async start(): Promise<void> {
    const { dataDir, pgData, binaries, runAs } = this.place;
    const { settings, reservedPort, onLog = () => undefined } = this.options;
    const args = Object.entries({ ...DEFAULT_SETTINGS, ...settings }).flatMap(([key, value]) => [
      '-c',
      `${key}=${value}`,
    ]);
    const giveUpAt = performance.now() + TRIED_FOR_MS;
    for (let lostPorts = 0; ;) {
      const port = this.port || (await findFreePort(reservedPort));
      const invocation = runAs(binaries.postgres, ['-D', pgData, ...args, '-c', `port=${port}`], 'INT');
      const postmaster = new Postmaster(invocation, pgData, onLog);
      if (await postmaster.becomesReady()) return this.started(postmaster, port);
      const { output, signal } = await postmaster.exited;
      if (output.some((line) => line.includes('could not bind')) && lostPorts++ < PORT_ATTEMPTS) continue;
      const isBlocked = output.some((line) =>
        /pre-existing shared memory block|lock file ".*" already exists/.test(line),
      );
      // Killed from outside, which says nothing about the next start.
      const isKilled = signal === 'SIGKILL';
      if (!(isBlocked || isKilled) || performance.now() > giveUpAt) {
        throw explainFailure(dataDir, signal === null ? 'it ended at once' : `it was ended by ${signal}`, output);
      }
      await endLeftovers(pgData);
      await sleep(250);
    }
  }

  async restart(): Promise<void> {
    await this.postmaster?.stop();
    await endLeftovers(this.place.pgData);
    await this.start();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.postmaster?.stop();
    await endLeftovers(this.place.pgData); // sessions of a server that had to be killed
    this.lock.release();
  }

  private started(postmaster: Postmaster, port: number): void {
    this.postmaster = postmaster;
    this.port = port;
    void postmaster.exited.then((exit) => {
      if (!this.isStopping && this.postmaster === postmaster) this.options.onExit?.(exit);
    });
  }
}

/** Steps 2 and 3. */
async function prepare(dataDir: string): Promise<{ place: ClusterPlace; password: string }> {
  const pgData = path.join(dataDir, 'postgres');
  const binaries = prepareBinaries();
  const isNew = inspectCluster(dataDir, pgData) === null;
  const user = chooseServerUser(pgData, dataDir);
  const place = { dataDir, pgData, binaries, user, runAs: findRunAs(binaries.postgres, dataDir, user) };
  let isNewPassword = false;
  const password = readOrCreatePrivateFile(path.join(dataDir, 'postgres.password'), () => {
    isNewPassword = true;
    return randomBytes(32).toString('base64url');
  });
  if (isNew) {
    await createCluster(place, password);
    return { place, password };
  }
  await endLeftovers(pgData);
  if (fs.statSync(pgData).uid === 0) giveAll(pgData, user);
  if (isNewPassword) await resetPassword(place, password);
  return { place, password };
}

function findFreePort(reserved?: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause) => reject(new PostgresDidNotStart('no port is free on 127.0.0.1.', [], { cause })));
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => (port === reserved ? resolve(findFreePort(reserved)) : resolve(port)));
    });
  });
}
