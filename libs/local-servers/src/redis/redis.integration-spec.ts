import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';

import { Redis as Client } from 'ioredis';

import { type Redis, ServerDidNotStart, startRedis } from '../index';

async function asked<T>(redis: Redis, question: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(redis.url, { lazyConnect: true, retryStrategy: () => null });
  await client.connect();
  try {
    return await question(client);
  } finally {
    client.disconnect();
  }
}

/** Of a process; '' when there is none, or only an entry that its parent has not read yet. */
function argumentsOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

describe('a local Redis', () => {
  let dataDir: string;
  let running: Redis[];

  beforeEach(() => {
    dataDir = fs.mkdtempSync(path.join(tmpdir(), 'flatline-local redis-'));
    running = [];
  });

  afterEach(async () => {
    await Promise.all(running.map((redis) => redis.kill()));
    fs.rmSync(dataDir, { recursive: true, force: true });
  });

  const start = async (options: { port?: number } = {}): Promise<Redis> => {
    const redis = await startRedis({ dataDir, ...options });
    running.push(redis);
    return redis;
  };

  it('keeps its data over a kill and comes back on the same port', async () => {
    const redis = await start();
    await asked(redis, (client) => client.set('key', 'value'));
    await redis.kill();
    await expect(redis.server.ended).resolves.toEqual({ code: null, signal: 'SIGKILL' });
    await redis.server.start();
    expect(await asked(redis, (client) => client.get('key'))).toBe('value');
  });

  it('ends one that an earlier start left behind, even one that hangs', async () => {
    const abandoned = await start();
    await asked(abandoned, (client) => client.set('key', 'value'));
    abandoned.server.signal('SIGSTOP');
    const redis = await start();
    expect(abandoned.server.isRunning).toBe(false);
    expect(await asked(redis, (client) => client.get('key'))).toBe('value');
  });

  it('has the settings that BullMQ needs', async () => {
    const shown = await asked(await start(), (client) => client.config('GET', 'maxmemory-policy', 'appendonly'));
    expect(shown).toEqual(expect.arrayContaining(['noeviction', 'yes']));
  });

  it('says so when its port is taken', async () => {
    const { server } = await start();
    const elsewhere = path.join(dataDir, 'other');
    const second = startRedis({ dataDir: elsewhere, port: server.port });
    await expect(second).rejects.toThrow(`port ${server.port} is in use`);
    await expect(second).rejects.toBeInstanceOf(ServerDidNotStart);
  });

  it('outlives a starter that is killed, until the next start on its data', async () => {
    const program = `
      const { startRedis } = require(process.argv[1]);
      startRedis({ dataDir: process.argv[2] }).then(({ server }) => console.log(server.pid));
    `;
    const library = path.resolve(__dirname, '../../../../dist/libs/local-servers/src/index.js');
    const starter = spawn(process.execPath, ['-e', program, library, dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(starter.stdout, 'data')) as [Buffer];
    starter.kill('SIGKILL');
    await once(starter, 'exit');
    const abandoned = Number(String(line));
    expect(argumentsOf(abandoned)).toContain(dataDir);
    try {
      await start();
      expect(argumentsOf(abandoned)).toBe('');
    } finally {
      if (argumentsOf(abandoned) !== '') process.kill(abandoned, 'SIGKILL');
    }
  });
});
