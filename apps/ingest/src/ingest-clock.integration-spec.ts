import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SystemClock } from '@flatline/service-kernel';
import { IngestClock } from './ingest-clock';

const CALLERS = 200;
const STANDS_STILL_MS = 1_500;

/** Soon after it says so, calls a port once over each of so many connections; ends when all were answered. */
const CALLING = `
const { request } = require('node:http');
const [port, count] = process.argv.slice(1).map(Number);
const call = () => request({ port, host: '127.0.0.1', agent: false }, (answer) => answer.resume()).end();
console.log('ready');
setTimeout(() => { for (let n = 0; n < count; n += 1) call(); }, 300);
`;

describe('a process that stood still', () => {
  it('knows of every call that came meanwhile that it may have lain unread, however many there are', async () => {
    // Guarded by TURNS_TO_CATCH_UP in apps/ingest/src/ingest-clock.ts.
    const clock = new IngestClock(new SystemClock(), { stepped: () => undefined, stalled: () => undefined });
    const arrivals: (number | null)[] = [];
    const server = createServer((_request, response) => {
      arrivals.push(clock.arrivedAfter());
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    clock.start();
    const { port } = server.address() as AddressInfo;
    const callers = spawn(process.execPath, ['-e', CALLING, '--', String(port), String(CALLERS)]);
    const ended = once(callers, 'close');
    await once(callers.stdout, 'data');

    const stoodStillAt = Date.now();
    // While nothing at all runs here they connect and send.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STANDS_STILL_MS);
    await ended;
    clock.stop();
    server.close();
    expect(arrivals).toHaveLength(CALLERS);
    expect(arrivals.filter((at) => at === null || at > stoodStillAt)).toEqual([]);
  });
});
