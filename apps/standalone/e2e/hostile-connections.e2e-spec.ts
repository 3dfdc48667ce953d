import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { ADMIN_KEY, ApiSession, eventually, useFlatline } from '@flatline/test-kit';

/** What the product allows a request to take, and the time it takes to notice. */
const REQUEST_LIMIT_MS = 10_000 + 1_000;
const HANGS_UP_WITHIN_MS = REQUEST_LIMIT_MS + 6_000;

const flatline = useFlatline();
let api: ApiSession;
let token: string;
beforeAll(async () => {
  api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
  token = (await api.create({ interval_secs: 3600 })).token;
});

/** The service goes on for others, on the same process, and has not once failed inside. */
afterEach(async () => {
  expect(flatline.process.ended).toBeNull();
  expect((await api.ping(token)).status).toBe(200);
  expect(flatline.process.lines.filter((line) => /"level":(50|60)|^\s+at /.test(line))).toEqual([]);
});

/** A connection and all it was sent so far. */
class Wire {
  received = '';
  closed = false;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => (this.received += text));
    socket.on('error', () => undefined); // a reset is an answer too
    socket.on('close', () => (this.closed = true));
  }

  static async open(): Promise<Wire> {
    const socket = connect({ port: flatline.port, host: '127.0.0.1' });
    const wire = new Wire(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    return wire;
  }

  hungUp(withinMs: number): Promise<void> {
    const check = (): void => {
      if (!this.closed) throw new Error(`still connected; received: ${this.received.slice(0, 300)}`);
    };
    return eventually(check, { withinMs });
  }
}

/** Only ever answers that a client of HTTP understands, of the 4xx kind, without insides. */
function expectRefusal(text: string): void {
  expect(text).toMatch(/^HTTP\/1\.1 4\d\d [\s\S]*content-type: application\/json[\s\S]*\r\n\r\n\{"error":"[^"]+"/i);
  expect(text).not.toMatch(/\s+at |HTTP\/1\.1 5/);
}

const head = (...lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
const pingHead = (...more: string[]): string => head(`POST /v1/heartbeats/${token}/ping HTTP/1.1`, 'Host: x', ...more);

it.each<[string, () => string | Buffer]>([
  ['noise', () => Buffer.from(Array.from({ length: 2_000 }, (_, n) => (n * 7_919) % 256))],
  ['a TLS hello', () => Buffer.from('160301020001000001fc0303'.padEnd(400, '0'), 'hex')],
  ['the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/0.9', () => 'GET /\r\n\r\n'],
  ['HTTP/9.9', () => head('GET / HTTP/9.9', 'Host: x')],
  ['an unknown method', () => head('BREW /v1/heartbeats HTTP/1.1', 'Host: x')],
  ['a length that is no number', () => pingHead('Content-Length: x')],
  ['a blank in the path', () => head('GET /health z HTTP/1.1', 'Host: x')],
  ['a NUL in the path', () => head('GET /health\u0000z HTTP/1.1', 'Host: x')],
  ['a NUL in a header', () => head('GET /healthz HTTP/1.1', 'Host: x', 'A: b\u0000c')],
  ['a header without a name', () => head('GET /healthz HTTP/1.1', 'Host: x', ': y')],
  ['headers of 100 kB', () => head('GET /healthz HTTP/1.1', 'Host: x', `A: ${'b'.repeat(100_000)}`)],
  ['a path of 100 kB', () => head(`GET /${'a'.repeat(100_000)} HTTP/1.1`, 'Host: x')],
  [
    '3,000 headers',
    () => head('GET /healthz HTTP/1.1', 'Host: x', ...Array.from({ length: 3_000 }, (_, n) => `A${n}: b`)),
  ],
  ['a negative length', () => pingHead('Content-Length: -1')],
  ['two lengths', () => `${pingHead('Content-Length: 1', 'Content-Length: 2')}xx`],
  ['a length and chunks', () => `${pingHead('Content-Length: 3', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
  ['chunks of no length', () => `${pingHead('Transfer-Encoding: chunked')}zz\r\nx\r\n0\r\n\r\n`],
  ['a transfer encoding nobody knows', () => pingHead('Transfer-Encoding: banana')],
  ['a length of many digits', () => pingHead('Content-Length: 99999999999999999999999')],
])('%s is answered as a bad request and the connection closed', async (_what, bytes) => {
  const wire = await Wire.open();
  wire.socket.write(bytes());
  await wire.hungUp(HANGS_UP_WITHIN_MS);
  expectRefusal(wire.received);
});

it('a request without Host is refused, and the connection closed', async () => {
  const wire = await Wire.open();
  wire.socket.write(head('GET /healthz HTTP/1.1'));
  await wire.hungUp(HANGS_UP_WITHIN_MS);
  expectRefusal(wire.received);
});

it('a body that is announced as larger than any limit is refused or cut off, not waited for for ever', async () => {
  const wire = await Wire.open();
  wire.socket.write(
    head(
      'POST /v1/heartbeats HTTP/1.1',
      'Host: x',
      `Authorization: Bearer ${ADMIN_KEY}`,
      'Content-Length: 10000000000',
    ),
  );
  const chunk = Buffer.alloc(64 * 1024, 0x20);
  const sending = setInterval(() => wire.socket.writable && wire.socket.write(chunk), 5);
  await wire.hungUp(HANGS_UP_WITHIN_MS).finally(() => clearInterval(sending));
  expect(wire.received).toMatch(/^HTTP\/1\.1 (413|408) /);
});

it('requests that never end are cut off after their time, and pings go on beside them', async () => {
  const startedAt = performance.now();
  const wires = await Promise.all(Array.from({ length: 200 }, () => Wire.open()));
  const slow: [string, (wire: Wire, tick: number) => void][] = [
    ['says nothing', () => undefined],
    ['sends a byte of the head at a time', (wire, tick) => wire.socket.write(pingHead('X: y')[tick % 20] ?? 'x')],
    ['stops in the head', (wire, tick) => tick === 0 && wire.socket.write('POST /v1/heartbeats HTTP/1.1\r\nHo')],
    ['adds headers for ever', (wire, tick) => wire.socket.write(tick === 0 ? 'GET / HTTP/1.1\r\n' : `X${tick}: y\r\n`)],
    ['stops in the body', (wire, tick) => tick === 0 && wire.socket.write(`${pingHead('Content-Length: 100')}half`)],
    [
      'sends a byte of the body at a time',
      (wire, tick) => wire.socket.write(tick === 0 ? pingHead('Content-Length: 9999') : 'x'),
    ],
    [
      'never ends its chunks',
      (wire, tick) => wire.socket.write(tick === 0 ? pingHead('Transfer-Encoding: chunked') : '1\r\nx\r\n'),
    ],
  ];
  for (let tick = 0; performance.now() - startedAt < HANGS_UP_WITHIN_MS; tick += 1) {
    wires.forEach((wire, index) => !wire.closed && wire.socket.writable && slow[index % slow.length]![1](wire, tick));
    expect((await api.ping(token)).status).toBe(200);
    await sleep(500);
    if (wires.every((wire, index) => wire.closed || index % slow.length === 0)) break;
  }
  const left = wires.flatMap((wire, index) => (wire.closed ? [] : [slow[index % slow.length]![0]]));
  for (const wire of wires) wire.socket.destroy();
  // Who says nothing at all is an idle connection, and those are the operating system's and the limit's business.
  expect([...new Set(left)].filter((what) => what !== 'says nothing')).toEqual([]);
  for (const wire of wires) if (wire.received !== '') expectRefusal(wire.received);
});

it('connections cut in the middle of a request leave nothing behind', async () => {
  const beginnings = [
    'P',
    'POST /v1',
    pingHead('Content-Length: 100'),
    `${pingHead('Transfer-Encoding: chunked')}5\r\nab`,
  ];
  for (let round = 0; round < 25; round += 1) {
    const wires = await Promise.all(beginnings.map(() => Wire.open()));
    wires.forEach((wire, index) => {
      wire.socket.write(beginnings[index]!);
      if (round % 2 === 0) wire.socket.destroy();
      else wire.socket.resetAndDestroy();
    });
  }
  // Gone before the answer: what was complete may count, and nobody is left waiting.
  for (let round = 0; round < 50; round += 1) {
    const wire = await Wire.open();
    wire.socket.write(pingHead('Content-Length: 0'));
    wire.socket.destroy();
  }
  expect((await api.ping(token)).status).toBe(200);
});

it('a thousand requests in one go are answered in order on one connection', async () => {
  const wire = await Wire.open();
  wire.socket.write(head('GET /healthz HTTP/1.1', 'Host: x').repeat(1_000));
  await eventually(() => expect(wire.received.match(/HTTP\/1\.1 200/g)).toHaveLength(1_000));
  wire.socket.destroy();
});

it('two requests hidden in one body are one request', async () => {
  const { id, token: fresh } = await api.create();
  const hidden = `POST /v1/heartbeats/${fresh}/ping HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`;
  const wire = await Wire.open();
  wire.socket.write(
    head(`POST /v1/heartbeats/${fresh}/ping HTTP/1.1`, 'Host: x', `Content-Length: ${hidden.length}`) + hidden,
  );
  await eventually(() => expect(wire.received).toMatch(/"status":"ok"/));
  await eventually(async () => expect(await api.pings(id)).toHaveLength(1));
  expect(wire.received.match(/HTTP\/1\.1/g)).toHaveLength(1);
  wire.socket.destroy();
});
