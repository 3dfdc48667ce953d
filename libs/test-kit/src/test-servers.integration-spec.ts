import { existsSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { Redis as Client } from 'ioredis';

import { eventually } from './eventually';
import { isRunning } from './process-tree';
import { startTestProcess } from './test-process';
import { startTestKafka, startTestRedis } from './test-servers';

const canConnect = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const [host = '', port = ''] = address.split(':');
    const socket = connect(Number(port), host);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

describe('a test Redis', () => {
  it('hangs when it is paused, and is there again when it is killed and started', async () => {
    const redis = await startTestRedis();
    const client = new Client(redis.url, { commandTimeout: 300, retryStrategy: () => 20 });
    client.on('error', () => undefined);
    try {
      await client.set('key', 'value');
      await redis.pause();
      await expect(client.get('key')).rejects.toThrow('timed out');
      redis.resume();
      await eventually(async () => expect(await client.get('key')).toBe('value'));
      await redis.kill();
      expect(isRunning(redis.pid)).toBe(false);
      await redis.start();
      await eventually(async () => expect(await client.get('key')).toBe('value'));
    } finally {
      client.disconnect();
      await redis.stop();
    }
  });
});

describe('a test Kafka', () => {
  it('comes back on its port, and leaves nothing when it is stopped', async () => {
    const kafka = await startTestKafka();
    const folder = dirname(kafka.nodes[0]?.logFile ?? '');
    try {
      await kafka.kill();
      expect(await canConnect(kafka.brokerList)).toBe(false);
      await kafka.start();
      expect(await canConnect(kafka.brokerList)).toBe(true);
      expect(existsSync(folder)).toBe(true);
    } finally {
      await kafka.stop();
    }
    expect(kafka.nodes[0]?.isRunning).toBe(false);
    expect(existsSync(folder)).toBe(false);
  });
});

describe('a test server', () => {
  it('does not outlive the test process, even when that is killed, and its data do not either', async () => {
    const program = `
      const { startTestRedis } = require(process.argv[1]);
      startTestRedis().then(({ pid }) => console.log('redis ' + pid));
    `;
    const kit = join(__dirname, '../../../dist/libs/test-kit/src/test-servers.js');
    const folder = mkdtempSync(join(tmpdir(), 'flatline-reaped-'));
    const tests = startTestProcess({ args: ['-e', program, kit], env: { TMPDIR: folder } });
    const pid = Number((await tests.line(/^redis \d+$/)).split(' ')[1]);
    expect(readdirSync(folder)).toHaveLength(1);
    await tests.stop('SIGKILL');
    await eventually(() => expect(isRunning(pid)).toBe(false));
    await eventually(() => expect(readdirSync(folder)).toEqual([]));
    rmdirSync(folder);
  });
});
