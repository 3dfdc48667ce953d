import { execFile, execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import * as path from 'node:path';
import { promisify } from 'node:util';

import { Client } from 'pg';

import {
  AlreadyRunning,
  DataDirectoryNotWritable,
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  lockDataDirectory,
  OtherMajorVersion,
  startEmbeddedPostgres,
} from './index';

/** The pids of all Postgres processes that work on `dataDir`. */
function serversOn(dataDir: string): number[] {
  const pgData = fs.realpathSync(path.join(dataDir, 'postgres'));
  return fs.readdirSync('/proc').flatMap((pid) => {
    try {
      const isOurs = /^\d+$/.test(pid) && fs.readlinkSync(`/proc/${pid}/cwd`) === pgData;
      return isOurs ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

async function query<T>(url: string, sql: string): Promise<T[]> {
  const client = new Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as T[];
  } finally {
    await client.end();
  }
}

const withPassword = (url: string, password: string) => Object.assign(new URL(url), { password }).href;

jest.setTimeout(60_000);

describe('embedded Postgres', () => {
  let template: string;
  let folder: string;
  let dataDir: string;
  let running: EmbeddedPostgres[];

  // The first start takes most of the time, and most tests are about later ones.
  beforeAll(async () => {
    template = fs.mkdtempSync(path.join(tmpdir(), 'flatline-embedded-template-'));
    await (await startEmbeddedPostgres({ dataDir: template })).stop();
  });

  afterAll(() => fs.rmSync(template, { recursive: true, force: true }));

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(tmpdir(), 'flatline-embedded-'));
    dataDir = path.join(folder, 'data');
    running = [];
  });

  afterEach(async () => {
    await Promise.all(running.map((server) => server.stop()));
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const useTemplate = () => execFileSync('cp', ['-a', template, dataDir]);

  const start = async (options: Partial<EmbeddedPostgresOptions> = {}) => {
    const server = await startEmbeddedPostgres({ dataDir, ...options });
    running.push(server);
    return server;
  };

  // The folder mkdtemp makes is closed to everyone else: for root this is the case of data below /root.
  it('starts from nothing, durable and in Unicode, below a folder that is closed to others', async () => {
    const { url } = await start();
    const names = ['fsync', 'full_page_writes', 'synchronous_commit', 'server_encoding', 'data_checksums'];
    const shown = await query<{ name: string; setting: string }>(
      url,
      `SELECT name, setting FROM pg_settings WHERE name = ANY ('{${names.join(',')}}') ORDER BY name`,
    );
    expect(Object.fromEntries(shown.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: 'on',
      full_page_writes: 'on',
      synchronous_commit: 'on',
      server_encoding: 'UTF8',
      data_checksums: 'on',
    });
    expect(await query(url, `SELECT upper('äéж') AS upper, current_database() AS database`)).toEqual([
      { upper: 'ÄÉЖ', database: 'flatline' },
    ]);
  });

  it('is closed to who does not know the password, and to other machines', async () => {
    useTemplate();
    const { url, port } = await start();
    await expect(query(withPassword(url, 'guess'), 'SELECT 1')).rejects.toThrow(/password authentication failed/);
    await expect(query(withPassword(url, ''), 'SELECT 1')).rejects.toThrow(/password/);
    expect(fs.statSync(path.join(dataDir, 'postgres.password')).mode & 0o777).toBe(0o600);
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    for (const { address } of addresses.filter(({ internal, family }) => !internal && family === 'IPv4')) {
      await expect(query(Object.assign(new URL(url), { hostname: address }).href, 'SELECT 1')).rejects.toThrow(
        /ECONNREFUSED/,
      );
    }
    expect(port).toBeGreaterThan(0);
  });

  it('finds its data again', async () => {
    useTemplate();
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    expect(serversOn(dataDir)).toEqual([]);
    const second = await start();
    expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('does not wait for idle or busy sessions when it stops', async () => {
    useTemplate();
    const server = await start();
    const busy = new Client(server.url);
    busy.on('error', () => undefined);
    await busy.connect();
    const sleeping = busy.query('SELECT pg_sleep(60)').catch((error: Error) => error.message);
    const startedAt = performance.now();
    await server.stop();
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    expect(await sleeping).toMatch(/terminat/);
  });

  it('tells a second one on the same data which process has them, and the first goes on', async () => {
    useTemplate();
    const { url } = await start();
    const second = startEmbeddedPostgres({ dataDir });
    await expect(second).rejects.toThrow(AlreadyRunning);
    await expect(second).rejects.toMatchObject({ pid: process.pid });
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('gives the data directory free when it could not start', async () => {
    fs.mkdirSync(path.join(dataDir, 'postgres'), { recursive: true });
    fs.writeFileSync(path.join(dataDir, 'postgres', 'holiday.jpg'), '');
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(DataDirectoryNotWritable);
    expect(fs.existsSync(path.join(dataDir, 'postgres', 'holiday.jpg'))).toBe(true);
    lockDataDirectory(dataDir).release();
  });

  it.each(['/proc/flatline/data', '/dev/null', '/dev/null/data'])(
    'says in one sentence that %s is no place',
    async (place) => {
      const refusal = startEmbeddedPostgres({ dataDir: place });
      await expect(refusal).rejects.toThrow(DataDirectoryNotWritable);
      await expect(refusal).rejects.toThrow(/^[^\n]*$/);
    },
  );

  it('throws a half-made database away and makes it again', async () => {
    const unfinished = path.join(dataDir, 'postgres.unfinished-abc', 'data');
    fs.mkdirSync(unfinished, { recursive: true });
    fs.writeFileSync(path.join(unfinished, 'PG_VERSION'), '18\n');
    const { url } = await start();
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(fs.readdirSync(dataDir).sort()).toEqual(['lock', 'postgres', 'postgres.password']);
  });

  it('says which version made data that it cannot read', async () => {
    useTemplate();
    await (await start()).stop();
    fs.writeFileSync(path.join(dataDir, 'postgres', 'PG_VERSION'), '16\n');
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(OtherMajorVersion);
  });

  it('gives itself a new password when the file with the old one is gone', async () => {
    useTemplate();
    const first = await start();
    await first.stop();
    fs.rmSync(path.join(dataDir, 'postgres.password'));
    const second = await start();
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(new URL(second.url).password).not.toBe(new URL(first.url).password);
  });

  it('starts when the process id of its last run belongs to somebody else now', async () => {
    useTemplate();
    await (await start()).stop();
    const pgData = path.join(dataDir, 'postgres');
    const { uid, gid } = fs.statSync(pgData);
    const identity = uid === process.getuid?.() ? {} : { uid, gid };
    const script = 'sleep 60 >/dev/null 2>&1 & echo $!';
    const stranger = execFileSync('sh', ['-c', script], { encoding: 'utf8', ...identity, cwd: '/' }).trim();
    try {
      const pidFile = path.join(pgData, 'postmaster.pid');
      fs.writeFileSync(pidFile, `${stranger}\n${pgData}\n1700000000\n5432\n\n127.0.0.1\n`, { mode: 0o600 });
      fs.chownSync(pidFile, uid, gid);
      const { url } = await start();
      expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      process.kill(Number(stranger), 'SIGKILL');
    }
  });

  it('starts although a session of a killed server still holds the old shared memory', async () => {
    useTemplate();
    const onExit = jest.fn();
    let hasEnded: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => (hasEnded = resolve));
    const first = await start({ onExit: (exit) => (onExit(exit), hasEnded?.()) });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const client = new Client(first.url);
    client.on('error', () => undefined);
    await client.connect();
    const [{ pid: session } = { pid: 0 }] = (await client.query('SELECT pg_backend_pid() AS pid')).rows as {
      pid: number;
    }[];
    process.kill(session, 'SIGSTOP');
    process.kill(first.pid, 'SIGKILL');
    await ended;
    expect(onExit).toHaveBeenCalledTimes(1);
    expect(serversOn(dataDir)).toContain(session);
    await first.restart();
    expect(serversOn(dataDir)).not.toContain(session);
    expect(await query(first.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await first.stop();
    expect(onExit).toHaveBeenCalledTimes(1);
  });

  it('starts although it is killed while it starts', async () => {
    // Guarded by `isKilled` in `EmbeddedServer.start`, start-embedded-postgres.ts.
    useTemplate();
    const pidFile = path.join(dataDir, 'postgres', 'postmaster.pid');
    const untilItStarts = 'while ! [ -s "$0" ]; do :; done; read pid < "$0"; kill -9 "$pid"; echo "$pid"';
    for (let tries = 0; ; tries += 1) {
      const killer = promisify(execFile)('sh', ['-c', untilItStarts, pidFile], { timeout: 20_000 });
      const onExit = jest.fn();
      const server = await start({ onExit });
      const killed = Number((await killer).stdout);
      if (server.pid !== killed) {
        expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
        expect(onExit).not.toHaveBeenCalled();
        return;
      }
      expect(tries).toBeLessThan(5); // it was ready before it was killed
      await server.stop();
    }
  });
});
