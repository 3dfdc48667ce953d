import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import {
  ApiSession,
  CLUSTER_PARTS,
  createDataDir,
  eventually,
  type Flatline,
  freePort,
  isRunning,
  pidOfPart,
  processesOn,
  removeDataDir,
  startCluster,
  startFlatline,
} from '@flatline/test-kit';

describe('npm run cluster', () => {
  const dataDir = createDataDir();
  let port: number;
  let cluster: Flatline;
  let key: string;

  beforeAll(async () => {
    port = await freePort();
    cluster = await startCluster({ dataDir, port, env: { FLATLINE_BOOTSTRAP_API_KEY: '' } });
    await cluster.process.line(/^Flatline is ready\.$/, { withinMs: 60_000 });
    await cluster.ready();
    key = /API key +(\S+)/.exec(cluster.process.lines.join('\n'))![1]!;
  }, 90_000);
  afterAll(async () => {
    await cluster.killTree();
    removeDataDir(dataDir);
  }, 30_000);

  it('prints the first steps with the key, once and nowhere else, and says what runs where', async () => {
    const text = cluster.process.lines.join('\n');
    expect(key).toMatch(/^flk_/);
    expect(text).toContain(`curl -sS http://127.0.0.1:${port}/v1/heartbeats`);
    for (const part of CLUSTER_PARTS) {
      expect(text).toMatch(new RegExp(`^ {2}${part} +${pidOfPart(cluster, part)} +\\d+`, 'm'));
    }
    const logs = readdirSync(join(dataDir, 'logs')).map((file) => readFileSync(join(dataDir, 'logs', file), 'utf8'));
    expect(logs.join('\n')).not.toContain(key);
    expect(logs.join('\n')).toContain('"service":"deadline-scheduler"');
  });

  it('tells on the terminal of a job that stops and of its return', async () => {
    const api = new ApiSession(cluster.baseUrl, key);
    const { id, token } = await api.create({ name: 'my first job', interval_secs: 2, grace_secs: 1 });
    await api.ping(token);
    const printed = (word: string) => cluster.process.lines.filter((line) => line.includes(`  ${word}  my first job`));
    await eventually(() => expect(printed('DOWN')).toEqual([expect.stringContaining(id)]), { withinMs: 20_000 });
    await api.call('PATCH', `/heartbeats/${id}`, { interval_secs: 3600 });
    await api.ping(token);
    await eventually(() => expect(printed('UP AGAIN')).toHaveLength(1), { withinMs: 20_000 });
    expect(printed('DOWN')).toHaveLength(1);
  });

  it.each([
    ['a second one on the same data', startCluster, /already running on the data in .*process \d+/],
    ['npm start on the same data', startFlatline, /already running on the data in .*process \d+/],
  ])('keeps %s from starting', async (_what, start, sentence) => {
    const second = await start({ dataDir });
    expect(await second.process.end()).toEqual({ code: 1, signal: null });
    expect(second.process.lines).toEqual([expect.stringMatching(sentence)]);
  });

  it('does not start on a port that is taken', async () => {
    const elsewhere = createDataDir();
    const second = await startCluster({ dataDir: elsewhere, port });
    expect(await second.process.end()).toEqual({ code: 1, signal: null });
    expect(second.process.lines).toEqual([expect.stringMatching(/^Port \d+ on 127\.0\.0\.1 is already in use/)]);
    removeDataDir(elsewhere);
  });

  it('ends its processes when it is killed, and they leave nothing that runs on', async () => {
    const services = CLUSTER_PARTS.slice(0, 9).map((part) => pidOfPart(cluster, part));
    await cluster.kill();
    await eventually(() => expect(services.filter(isRunning)).toEqual([]), { withinMs: 15_000 });
  });

  it('has events that npm start would leave out, which therefore refuses', async () => {
    const other = await startFlatline({ dataDir });
    expect(await other.process.end()).toEqual({ code: 1, signal: null });
    expect(other.process.lines).toEqual([expect.stringMatching(/events in Kafka: start them with `npm run cluster`/)]);
  });

  it('stops in order on SIGTERM, soon after it was started, with its servers', async () => {
    const again = await startCluster({ dataDir, port });
    await eventually(() => expect(existsSync(join(dataDir, 'postgres', 'postmaster.pid'))).toBe(true), {
      withinMs: 15_000,
    });
    expect(await again.stop({ withinMs: 20_000 })).toEqual({ code: 0, signal: null });
    expect(processesOn(dataDir)).toEqual([]);
  });
});

describe('npm run cluster without Java', () => {
  const dataDir = createDataDir();
  const programs = mkdtempSync(join(tmpdir(), 'flatline-e2e-path-'));
  afterAll(() => {
    removeDataDir(dataDir);
    rmSync(programs, { recursive: true });
  });

  it('names what is missing and the command that installs it, and leaves nothing running', async () => {
    for (const folder of process.env['PATH']!.split(delimiter).filter((each) => existsSync(each))) {
      for (const name of readdirSync(folder)) {
        if (name !== 'java' && name !== 'mvn' && !existsSync(join(programs, name))) {
          symlinkSync(join(folder, name), join(programs, name));
        }
      }
    }
    const cluster = await startCluster({ dataDir, env: { PATH: programs, JAVA_HOME: '' } });
    expect(await cluster.process.end({ withinMs: 30_000 })).toEqual({ code: 1, signal: null });
    expect(cluster.process.lines.filter((line) => !line.startsWith('{'))).toEqual([
      expect.stringMatching(/java.*apt-get install/),
    ]);
    expect(processesOn(dataDir)).toEqual([]);
  });
});
