import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';

import { Redis as Client } from 'ioredis';

import { MissingProgram, type Redis, ServerDidNotStart, startRedis } from '../index';

async function asked<T>(redis: Redis, question: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(redis.url, { lazyConnect: true, retryStrategy: () => null });
  await client.connect();
  try {
    return await question(client);
  } finally {
    client.disconnect();
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

  it('says how to install what is missing', async () => {
    const searched = process.env['PATH'];
    process.env['PATH'] = dataDir;
    try {
      const failed = startRedis({ dataDir });
      await expect(failed).rejects.toBeInstanceOf(MissingProgram);
      await expect(failed).rejects.toThrow(/no redis-server .*: apt-get install -y redis-server$/);
    } finally {
      process.env['PATH'] = searched;
    }
  });
});
