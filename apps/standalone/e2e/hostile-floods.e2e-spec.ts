import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { ADMIN_KEY, ApiSession, eventually, processesOn, useFlatline } from '@flatline/test-kit';
import type { ApiHeartbeat } from '@flatline/test-kit';

/** What a process may grow by while it is flooded; unguarded, each of them takes far more. */
const MAY_GROW_BY_BYTES = 190 * 1024 * 1024;
const CONNECTIONS = 1_200;
const HEAD_BYTES = 15_000;
const BODY_BYTES = 250_000;

const flatline = useFlatline();
let api: ApiSession;
let heartbeat: ApiHeartbeat;
let attackers: Socket[] = [];

beforeAll(async () => {
  api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
  heartbeat = await api.create({ interval_secs: 3600 });
});
afterEach(async () => {
  for (const socket of attackers) socket.destroy();
  attackers = [];
  expect(flatline.process.ended).toBeNull();
  await eventually(async () => expect((await api.ping(heartbeat.token)).status).toBe(200));
});

/** Resident memory of each process of ours, in bytes. */
function memory(): Map<number, number> {
  const pids = [...new Set([flatline.process.pid, ...processesOn(flatline.dataDir)])];
  const rows = execFileSync('ps', ['-o', 'pid=,rss=,args=', '-p', pids.join()], { encoding: 'utf8' }).split('\n');
  const ours = rows.filter((row) => row.includes('main.js')).map((row) => row.trim().split(/\s+/).map(Number));
  return new Map(ours.map(([pid, kilobytes]) => [pid!, kilobytes! * 1024]));
}

async function attack(count: number, beginning: string): Promise<void> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ port: flatline.port, host: '127.0.0.1' });
      socket.on('error', () => undefined); // to be cut off is what it deserves
      await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
      socket.write(beginning);
      return socket;
    }),
  );
  attackers.push(...sockets);
}

const head = (...lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
const create = (...more: string[]): string => head('POST /v1/heartbeats HTTP/1.1', 'Host: x', ...more);
const ping = (...more: string[]): string =>
  head(`POST /v1/heartbeats/${heartbeat.token}/ping HTTP/1.1`, 'Host: x', ...more);
/** Every byte a chunk of its own. */
const inChunks = (bytes: number): string => '1\r\nx\r\n'.repeat(bytes);

/**
 * Guarded by `MAX_HEADER_BYTES` and the time-outs in http-adapter.ts, by `LARGE_BODIES_LIMIT_BYTES` in json-body.ts, by
 * `BodyBytes`, which keeps chunks in one piece of memory, and in the gateway by `Gathered`.
 */
it.each<[string, () => Promise<void>]>([
  ['pings of many chunks', () => attack(80, ping('Transfer-Encoding: chunked') + inChunks(9_900))],
  [
    'heads that do not end',
    () => attack(CONNECTIONS, `GET /v1/heartbeats HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(HEAD_BYTES)}`),
  ],
  [
    'large bodies that do not end',
    () => attack(CONNECTIONS, create('Content-Length: 260000') + ' '.repeat(BODY_BYTES)),
  ],
  ['bodies of many chunks', () => attack(6, create('Transfer-Encoding: chunked') + inChunks(200_000))],
])('a flood of %s takes little memory, and the others are served', async (_what, flood) => {
  const before = memory();
  expect(before.size).toBeGreaterThan(0);
  await flood();
  const created: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    // A flood may hold the process up for long enough to refuse a ping, which a job tries again.
    await eventually(async () => expect((await api.ping(heartbeat.token)).status).toBe(200));
    expect((await api.call('GET', `/heartbeats/${heartbeat.id}`)).status).toBe(200);
    created.push((await api.call('POST', '/heartbeats', { name: 'beside a flood' })).status);
    for (const [pid, bytes] of memory()) {
      const grown = bytes - (before.get(pid) ?? bytes);
      expect(grown > MAY_GROW_BY_BYTES ? `process ${pid} has grown by ${grown} bytes` : '').toBe('');
    }
  }
  expect(new Set(created)).toEqual(new Set([201]));
});
