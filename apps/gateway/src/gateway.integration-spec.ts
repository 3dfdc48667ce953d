import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { createKernel, type Kernel, loadConfig, silentLogger } from '@flatline/service-kernel';
import { type ApiAnswer, type ApiRequest, eventually, freePort, sendRequest } from '@flatline/test-kit';
import { startGateway } from './gateway';
import { TestService } from './test-service';

const PING = '/v1/heartbeats/a-token/ping';

let services: TestService[] = [];
let ingests: TestService[] = [];
let api: TestService;
let kernel: Kernel;
let baseUrl: string;

async function start(ingestCount = 2): Promise<void> {
  ingests = await Promise.all(Array.from({ length: ingestCount }, (_, n) => TestService.start(`ingest-${n}`)));
  api = await TestService.start('api');
  services = [...ingests, api];
  await startOver(ingests.map(({ url }) => url));
  await eventually(async () => expect((await send({ path: '/readyz' })).status).toBe(200));
}

async function startOver(ingestUrls: string[]): Promise<void> {
  const env = { PORT: '0', INGEST_URLS: ingestUrls.join(','), MANAGEMENT_API_URLS: api.url };
  kernel = createKernel(loadConfig(env), { logger: silentLogger() });
  const { port } = await startGateway(kernel);
  baseUrl = `http://127.0.0.1:${port}`;
}

afterEach(async () => {
  await kernel.shutdown.run(5_000);
  await Promise.all(services.map((service) => service.kill()));
});

const send = (request: Partial<ApiRequest> & { path: string }): Promise<ApiAnswer> =>
  sendRequest(baseUrl, { method: 'GET', ...request });
const pingsSeen = (): number => ingests.reduce((sum, { seen }) => sum + seen.length, 0);

describe('what goes where', () => {
  beforeEach(() => start(1));

  it.each([
    PING,
    `${PING}/`,
    `${PING}?from=cron`,
    '/v1//heartbeats/a-token/ping',
    '//v1/heartbeats/a-token//ping//',
    '/v1/%68eartbeats/a%2Dtoken/%70ing',
    '/v1/heartbeats/%00/ping',
  ])('%s goes to an ingest, as it was written', async (path) => {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'PROPFIND', 'QUERY']) {
      const answer = await send({ method, path });
      expect(answer).toMatchObject({ status: 200, headers: { 'x-service': 'ingest-0' } });
      expect(ingests[0]!.seen.at(-1)).toMatchObject({ method, url: path });
    }
    expect(api.seen).toEqual([]);
  });

  it.each([
    '/',
    '/v1/heartbeats',
    '/v1/heartbeats/an-id/pings',
    '/v1/heartbeats/an-id/ping/x',
    '/v1/heartbeats//ping',
    '/openapi.json',
    '/v1/heartbeats/a%2Fb',
    '/.%2e/x?y=//z',
  ])('%s goes to the management API, as it was written', async (path) => {
    for (const method of ['GET', 'PATCH', 'OPTIONS', 'LOCK']) {
      expect(await send({ method, path })).toMatchObject({ status: 200, headers: { 'x-service': 'api' } });
      expect(api.seen.at(-1)).toMatchObject({ method, url: path });
    }
    expect(pingsSeen()).toBe(0);
  });

  it('what is too long for a token goes to the management API, which has nothing there', async () => {
    await send({ path: `/v1/heartbeats/${'a'.repeat(300)}/ping` });
    expect(pingsSeen()).toBe(0);
    expect(api.seen).toHaveLength(1);
  });

  it('what a service would refuse before looking at it is refused here in the same words', async () => {
    expect(await send({ path: '/v1/heartbeats/%zz/ping' })).toMatchObject({
      status: 400,
      json: { error: 'invalid URL' },
    });
    expect(pingsSeen() + api.seen.length).toBe(0);
  });

  it('what is no path at all is refused in the form of every error', async () => {
    for (const method of ['OPTIONS', 'GET', 'LOCK']) {
      const { status, json } = await send({ method, path: '*' });
      expect([404, 405]).toContain(status);
      expect(json).toMatchObject({ error: expect.any(String), status });
    }
    expect(pingsSeen() + api.seen.length).toBe(0);
  });

  it('its own health and metrics stay here; how to ask for them otherwise is the service’s to say', async () => {
    expect(await send({ path: '/healthz' })).toMatchObject({ status: 200, json: { status: 'ok' } });
    await send({ path: PING });
    const metrics = await send({ path: '/metrics' });
    expect(metrics.text).toMatch(/^flatline_gateway_requests_total\{to="ingest",outcome="answered"\} 1$/m);
    expect(metrics.text).toMatch(/^flatline_gateway_upstreams\{to="ingest",state="ready"\} 1$/m);
    await send({ method: 'DELETE', path: '/healthz' });
    expect(api.seen).toMatchObject([{ method: 'DELETE', url: '/healthz' }]);
  });
});

describe('what is sent on', () => {
  beforeEach(() => start(1));

  it.each<[string, Partial<ApiRequest>, number]>([
    ['no body', {}, 0],
    ['an empty body that is labelled', { headers: { 'content-type': 'application/json' } }, 0],
    ['a body without a label', { body: 'no label' }, 8],
    ['a body with an absurd label', { headers: { 'content-type': ';;;///' }, body: 'x' }, 1],
    ['broken JSON', { headers: { 'content-type': 'application/json' }, body: '{"a":' }, 5],
    ['12 kB', { body: Buffer.alloc(12_000) }, 12_000],
    ['three megabytes', { body: Buffer.alloc(3_000_000) }, 3_000_000],
    ['chunks', { body: Readable.from(['one ', 'two ', 'three']) }, 13],
    [
      'a megabyte in chunks',
      { body: Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(10_000))) },
      1_000_000,
    ],
    ['Expect: 100-continue', { headers: { expect: '100-continue' }, body: 'x' }, 1],
    ['Upgrade', { headers: { upgrade: 'h2c', connection: 'Upgrade, HTTP2-Settings' }, body: 'x' }, 1],
  ])('%s arrives whole, with its headers', async (_what, request, bodyBytes) => {
    const headers = { authorization: 'Bearer x', ...request.headers };
    const answer = await send({ ...request, method: 'POST', path: PING, headers });
    expect(answer).toMatchObject({ status: 200, json: { status: 'ok' } });
    const [seen] = ingests[0]!.seen;
    expect(seen).toMatchObject({ bodyBytes, headers: { authorization: 'Bearer x', 'x-forwarded-for': '127.0.0.1' } });
    expect(seen!.headers['content-type']).toBe(request.headers?.['content-type']);
  });

  it('a body that nobody looks at (GET) is left out, and the connection goes on', async () => {
    const headers = { 'content-length': '3' };
    expect(await send({ method: 'GET', path: PING, headers, body: 'abc' })).toMatchObject({ status: 200 });
    expect(ingests[0]!.seen).toMatchObject([{ bodyBytes: 0 }]);
  });

  it('an answer comes back with its status, headers and body, HEAD without one', async () => {
    ingests[0]!.answer = (_request, response) => {
      response.writeHead(404, { 'ping-id': '1', 'retry-after': '2', 'content-type': 'application/json' });
      response.end('{"error":"not found"}');
    };
    expect(await send({ path: PING })).toMatchObject({
      status: 404,
      text: '{"error":"not found"}',
      headers: { 'ping-id': '1', 'retry-after': '2' },
    });
    expect(await send({ method: 'HEAD', path: PING })).toMatchObject({ status: 404, text: '' });
  });

  it('connections are kept for the next requests', async () => {
    for (let count = 0; count < 20; count += 1) await send({ method: count % 2 ? 'HEAD' : 'POST', path: PING });
    expect(ingests[0]!.connections).toBeLessThanOrEqual(2);
  });

  it('an answer that comes before the body was read reaches a caller that is still sending', async () => {
    api.answer = (_request, response) => response.writeHead(413).end('{"error":"body too large"}');
    const body = Readable.from(Array.from({ length: 200 }, () => Buffer.alloc(20_000)));
    expect(await send({ method: 'POST', path: '/v1/heartbeats', body })).toMatchObject({
      status: 413,
      json: { error: 'body too large' },
    });
  });

  it('a large answer comes whole, however slowly it is taken', async () => {
    const bytes = 20_000_000;
    api.answer = (_request, response) => response.end(Buffer.alloc(bytes, 1));
    const received = await new Promise<number>((resolve, reject) => {
      httpRequest(`${baseUrl}/big`, (response) => {
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          response.pause();
          setImmediate(() => response.resume());
        });
        response.on('end', () => resolve(length));
      })
        .on('error', reject)
        .end();
    });
    expect(received).toBe(bytes);
  });

  it('a caller that hangs up ends what it asked for', async () => {
    let isCut = false;
    api.answer = (_request, response) => {
      response.writeHead(200).write('first');
      response.on('close', () => (isCut = true));
    };
    const socket = connect(Number(new URL(baseUrl).port), '127.0.0.1');
    socket.write('GET /stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await eventually(() => expect(isCut).toBe(true));
  });
});

describe('when a process is away', () => {
  beforeEach(() => start(2));

  it('the next one takes its pings at once, and none is refused', async () => {
    await ingests[0]!.kill();
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => send({ method: 'POST', path: PING, body: 'x' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 40 }, () => 200));
    expect(ingests[1]!.seen).toHaveLength(40);
  });

  it('gets its share again as soon as it is back', async () => {
    const [first, second] = ingests as [TestService, TestService];
    await first.kill();
    await send({ path: PING });
    await send({ path: PING });
    const back = await TestService.start('back', { port: first.port });
    services.push(back);
    await eventually(async () => {
      await send({ path: PING });
      expect(back.seen.length).toBeGreaterThan(3);
    });
    expect(second.seen.length).toBeGreaterThan(0);
  });

  it('what had been sent to it is answered with 503 and not sent again', async () => {
    for (const ingest of ingests) {
      ingest.answer = (request) => request.resume(); // takes it and says nothing
    }
    const [first, second] = ingests as [TestService, TestService];
    const answers: ApiAnswer[] = [];
    const open = Promise.all(
      Array.from({ length: 10 }, async () => answers.push(await send({ method: 'POST', path: PING, body: 'x' }))),
    );
    await eventually(() => expect([first.seen.length, second.seen.length]).toEqual([5, 5]));
    await first.kill();
    await eventually(() => expect(answers).toHaveLength(5));
    for (const answer of answers) {
      expect(answer).toMatchObject({
        status: 503,
        json: { error: expect.any(String) },
        headers: { 'retry-after': '1' },
      });
    }
    expect(second.seen).toHaveLength(5);
    await second.kill();
    await open;
  });

  it('an answer that was cut in the middle is cut for the caller, too', async () => {
    api.answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half', () => response.destroy());
    };
    await expect(send({ path: '/half' })).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });

  it('everybody: says so with 503, and readiness says who is missing', async () => {
    for (const ingest of ingests) await ingest.kill();
    expect(await send({ method: 'POST', path: PING, body: 'x' })).toMatchObject({
      status: 503,
      json: { error: 'temporarily unavailable' },
      headers: { 'retry-after': '1' },
    });
    await eventually(async () => {
      expect(await send({ path: '/readyz' })).toMatchObject({
        status: 503,
        json: { error: 'not ready: ingest: none of 2 is ready (cannot be reached)' },
      });
    });
    expect((await send({ path: '/v1/heartbeats' })).status).toBe(200);
  });
});

describe('when a process is not well', () => {
  it('those that are ready take its part; readiness tells what it said when there are none', async () => {
    await start(2);
    const [first, second] = ingests as [TestService, TestService];
    first.readiness = { status: 503, body: '{"error":"not ready: event log: Kafka does not answer"}' };
    await eventually(async () => expect((await send({ path: '/metrics' })).text).toMatch(/"ingest",state="ready"} 1/));
    const before = first.seen.length;
    for (let count = 0; count < 10; count += 1) await send({ path: PING });
    expect(first.seen.length).toBe(before);
    second.readiness = first.readiness;
    await eventually(async () => {
      expect((await send({ path: '/readyz' })).json.error).toMatch(
        /ingest: none of 2 is ready .*Kafka does not answer/,
      );
    });
    expect((await send({ path: PING })).status).toBe(200); // better asked than refused
  });

  it('a ping that it does not answer is given up with 504 in time, and others are not held up', async () => {
    await start(2);
    const [hung] = ingests as [TestService, TestService];
    hung.answer = (request) => request.resume();
    const startedAt = performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => send({ method: 'POST', path: PING })));
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    const given = answers.map(({ status }) => status);
    expect(new Set(given)).toEqual(new Set([200, 504]));
    const inVain = { json: { error: 'no answer in time, try again' }, headers: { 'retry-after': '1' } };
    for (const answer of answers) if (answer.status === 504) expect(answer).toMatchObject(inVain);
    expect(pingsSeen()).toBe(20);
  });
});

describe('the gateway itself', () => {
  it('starts before anybody it forwards to, and needs no restart when they come', async () => {
    api = await TestService.start('api');
    services = [api];
    const port = await freePort();
    ingests = [];
    await startOver([`http://127.0.0.1:${port}`]);
    expect(await send({ path: PING })).toMatchObject({ status: 503, json: { error: 'temporarily unavailable' } });
    services.push(await TestService.start('late', { port }));
    await eventually(async () => expect((await send({ path: '/readyz' })).status).toBe(200));
    expect(await send({ path: PING })).toMatchObject({ status: 200, headers: { 'x-service': 'late' } });
  });

  it('does not start without knowing whom to forward to, and names the variable', async () => {
    await start(1);
    const lacking = createKernel(loadConfig({ PORT: '0', INGEST_URLS: 'http://127.0.0.1:1' }), {
      logger: silentLogger(),
    });
    await expect(startGateway(lacking)).rejects.toThrow(/MANAGEMENT_API_URLS must be set/);
  });

  it('answers what is open before it stops', async () => {
    await start(1);
    let answer: () => void = () => undefined;
    ingests[0]!.answer = (_request, response) => {
      answer = () => response.end('done');
    };
    const open = send({ path: PING });
    await eventually(() => expect(pingsSeen()).toBe(1));
    const stopped = kernel.shutdown.run(5_000);
    await expect(send({ path: '/healthz' })).rejects.toThrow(/ECONN/);
    answer();
    expect(await open).toMatchObject({ status: 200, text: 'done' });
    expect(await stopped).toBe(true);
  });
});
