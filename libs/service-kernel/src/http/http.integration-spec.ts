import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { Body, Controller, Delete, Get, Module, Param, Post, Query, UseGuards } from '@nestjs/common';
import { loadConfig } from '../config/load-config';
import { createKernel, type Kernel, KernelModule } from '../kernel.module';
import { createLogger } from '../logging/create-logger';
import type { HttpAdapter } from './http-adapter';
import { createHttpApplication, startHttpApplication } from './http-application';
import { Problem } from './problem';

/** The members of an answer that these tests look at. */
type Answer = Partial<Record<'error' | 'body' | 'polluted' | 'q', unknown>>;

const REFUSING = {
  canActivate: (): boolean => {
    throw new Problem(401, 'who are you?');
  },
};

@Controller('v1/things')
class ThingsController {
  @Post('locked')
  @UseGuards(REFUSING)
  locked(@Body() body: unknown) {
    return { body };
  }

  @Get(':id')
  read(@Param('id') id: string, @Query('q') q: unknown) {
    if (id === 'boom') throw new Error('hunter2 exploded');
    if (id === 'gone') throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    if (id === 'nul') throw Object.assign(new Error('invalid byte sequence'), { code: '22021' });
    if (id === 'invalid') throw Problem.invalid([{ field: 'name', message: 'is required' }]);
    return { id, q: q ?? null };
  }

  @Post()
  create(@Body() body: unknown) {
    return { body: body ?? null, polluted: ({} as { polluted?: unknown }).polluted ?? null };
  }

  @Delete(':id')
  async remove() {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { removed: true };
  }
}

@Module({ controllers: [ThingsController] })
class ThingsModule {}

@Module({})
class RootModule {}

describe('the HTTP side of a process', () => {
  let kernel: Kernel;
  let port: number;
  let logged = '';

  beforeAll(async () => {
    const config = loadConfig({ PORT: '0', LOG_FORMAT: 'json' });
    kernel = createKernel(config, {
      logger: createLogger(config, { destination: { write: (line) => void (logged += line) } }),
    });
    kernel.health.register('always', () => null);
    ({ port } = await startHttpApplication(
      { module: RootModule, imports: [KernelModule.forRoot(kernel), ThingsModule] },
      kernel,
    ));
  });

  afterAll(async () => {
    await kernel.shutdown.run(5_000);
  });

  const call = async (method: string, path: string, init: { body?: string | Buffer; headers?: object } = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(init.body === undefined ? {} : { body: init.body }),
      headers: { ...init.headers },
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: text ? (JSON.parse(text) as Answer) : {} };
  };

  /** The first answer that is as wanted, or the last one within five seconds. */
  const until = async <Answered>(ask: () => Promise<Answered>, isWanted: (answer: Answered) => boolean) => {
    const startedAt = performance.now();
    for (;;) {
      const answer = await ask();
      if (isWanted(answer) || performance.now() - startedAt > 5_000) return answer;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  /** A request as raw bytes; gives everything the server says until it hangs up. */
  const raw = (bytes: string, withinMs = 5_000): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
      let said = '';
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new Error(`no end within ${withinMs} ms; so far: ${said}`));
      }, withinMs);
      socket.on('data', (chunk) => (said += chunk.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(said);
      });
    });

  it('answers health, readiness and metrics', async () => {
    expect((await call('GET', '/healthz')).json).toEqual({ status: 'ok' });
    expect((await call('GET', '/readyz')).json).toEqual({ status: 'ready' });
    const metrics = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(metrics.headers.get('content-type')).toContain('text/plain');
  });

  it('is not ready with a sentence for each thing that is missing', async () => {
    let sentence: string | null = 'the log is away';
    kernel.health.register('event log', () => sentence);
    const answer = await call('GET', '/readyz');
    expect(answer.status).toBe(503);
    expect(answer.json).toMatchObject({
      error: 'not ready: event log: the log is away',
      missing: [{ component: 'event log', missing: 'the log is away' }],
    });
    sentence = null;
    expect((await call('GET', '/readyz')).status).toBe(200);
  });

  it.each(['GET', 'DELETE'])('takes an empty body that is labelled JSON on %s', async (method) => {
    const status = await new Promise((resolve, reject) => {
      httpRequest(
        { port, method, path: '/v1/things/1', headers: { 'content-type': 'application/json; charset=utf-8' } },
        (response) => resolve(response.resume().statusCode),
      )
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
  });

  it.each([
    ['nothing', undefined, null],
    ['an object', '{"a":1}', { a: 1 }],
    ['a byte order mark', '\uFEFF{"a":1}', { a: 1 }],
    ['a null', 'null', null],
    ['a huge number', '{"a":1e400}', { a: null }],
  ])('reads %s as a body', async (_what, body, expected) => {
    const answer = await call('POST', '/v1/things', { body, headers: { 'content-type': 'application/json' } });
    expect(answer.status).toBe(201);
    expect(answer.json.body).toEqual(expected);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/octet-stream'])(
    'reads a body labelled %s as JSON',
    async (type) => {
      const answer = await call('POST', '/v1/things', { body: '{"a":1}', headers: { 'content-type': type } });
      expect(answer.json.body).toEqual({ a: 1 });
    },
  );

  it.each([
    ['a word', 'hello'],
    ['half an object', '{"a":'],
    ['a NUL byte', '\u0000'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
    ['single quotes', "{'a':1}"],
    ['a trailing comma', '{"a":1,}'],
  ])('refuses %s as invalid JSON', async (_what, body) => {
    const answer = await call('POST', '/v1/things', { body, headers: { 'content-type': 'application/json' } });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ error: 'invalid JSON', status: 400, title: 'Bad Request' });
    expect(answer.headers.get('content-type')).toContain('application/json');
  });

  it.each(['hello', '{"a":', '['.repeat(1_000)])(
    'says who may not do it before it says what is wrong with the body, and nothing where none is taken: %s',
    async (body) => {
      expect(await call('POST', '/v1/things/locked', { body })).toMatchObject({ status: 401 });
      expect(await call('DELETE', '/v1/things/1', { body })).toMatchObject({ status: 200 });
    },
  );

  it('takes no prototype from a body', async () => {
    const answer = await call('POST', '/v1/things', {
      body: '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    });
    expect(answer.status).toBe(201);
    expect(answer.json.polluted).toBeNull();
  });

  it('refuses deep nesting, and counts no brackets inside strings', async () => {
    const nested = (open: string, close: string) => `${open.repeat(40_000)}${close.repeat(40_000)}`;
    expect((await call('POST', '/v1/things', { body: nested('[', ']') })).json.error).toBe('JSON is nested too deeply');
    expect((await call('POST', '/v1/things', { body: nested('{"a":', '}') })).status).toBe(400);
    expect((await call('POST', '/v1/things', { body: `{"a":"\\"${'['.repeat(1_000)}"}` })).status).toBe(201);
  });

  it.each([300_000, 1_048_576, 20_000_000])(
    'refuses a body of %d bytes with 413 that the caller can read',
    async (n) => {
      const answer = await call('POST', '/v1/things', { body: `"${'a'.repeat(n)}"` }).catch((error: Error) => error);
      if (answer instanceof Error) expect(n).toBeGreaterThan(8_000_000);
      else expect(answer).toMatchObject({ status: 413, json: { error: 'body too large' } });
    },
  );

  it('takes small bodies, and no large one, while large ones that do not end hold all there is for them', async () => {
    logged = '';
    const large = `"${'a'.repeat(200_000)}"`;
    const hold = `POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-length: 262000\r\n\r\n${' '.repeat(250_000)}`;
    const holders = Array.from({ length: 160 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    for (const holder of holders) holder.write(hold);
    const post = () => call('POST', '/v1/things', { body: large });
    const refused = await until(post, ({ status }) => status === 503);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(logged).not.toContain('request failed');
    expect((await call('POST', '/v1/things', { body: '"small"' })).status).toBe(201);
    for (const holder of holders) holder.destroy();
    expect((await until(post, ({ status }) => status === 201)).status).toBe(201);
  });

  it('refuses a large body without a length', async () => {
    const chunk = `40000\r\n${'a'.repeat(0x40000)}\r\n`;
    const answer = await raw(
      `POST /v1/things HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 413/);
  });

  it.each([
    ['an unknown path', '/nothing', 404],
    ['a broken escape', '/v1/things/%zz', 400],
    ['half an escape', '/v1/things/%', 400],
    ['an escape that is not UTF-8', '/v1/things/%ff', 400],
    ['an id that is far too long', `/v1/things/${'x'.repeat(500)}`, 404],
    ['a URL that is far too long', `/${'x'.repeat(20_000)}`, 431],
    ['dots', '/v1/../etc/passwd', 404],
    ['an asterisk', '*', 404],
  ])('refuses %s', async (_what, path, status) => {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect(answer.split('\r\n')[0]).toContain(`HTTP/1.1 ${status}`);
    expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({ error: expect.any(String), status });
  });

  it.each([
    '/v1//things/1',
    '//v1/things/1',
    '/v1/things/1/',
    '/v1/things/1//',
    '/v1/things/%31',
    '/v1/things/1?q=%zz',
  ])('takes %s for /v1/things/1', async (path) => {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 200/);
    expect(answer).toContain('"id":"1"');
  });

  it('keeps repeated query keys and knows nothing of prototypes in them', async () => {
    expect((await call('GET', '/v1/things/1?q=a&q=b&__proto__=x')).json.q).toEqual(['a', 'b']);
  });

  it.each(['PUT', 'PATCH', 'OPTIONS', 'PROPFIND', 'SEARCH', 'QUERY'])(
    'answers %s on a known path with 405',
    async (method) => {
      const answer = await call(method, '/v1/things/1?x=1');
      expect(answer.status).toBe(405);
      expect(answer.headers.get('allow')).toBe('GET, HEAD, DELETE');
      expect(answer.json.error).toBe('method not allowed');
    },
  );

  it.each(['text/plain', 'application/json', ';;;'])(
    'does not look at what is sent where no route is, labelled %s',
    async (type) => {
      const said = { body: 'backup done', headers: { 'content-type': type } };
      expect((await call('PUT', '/v1/things/1', said)).status).toBe(405);
      expect((await call('POST', '/nothing', said)).status).toBe(404);
      const large = { ...said, body: Buffer.alloc(1_000_000) };
      expect((await call('PUT', '/v1/things/1', large)).status).toBe(405);
    },
  );

  it('answers on the same connection what follows a body that nobody looked at', async () => {
    const refused = 'POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\ndone';
    const answer = await raw(`${refused}GET /v1/things/2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200']);
  });

  it('ignores an expectation that it does not know', async () => {
    const body = 'expect: a miracle\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}';
    expect(await raw(`POST /v1/things HTTP/1.1\r\nhost: x\r\n${body}`)).toMatch(/^HTTP\/1\.1 201/);
  });

  it('answers a method that nobody knows with 405', async () => {
    expect(await raw('FROBNICATE /v1/things/1 HTTP/1.1\r\nhost: x\r\n\r\n')).toMatch(
      /^HTTP\/1.1 405[^]*allow: [^]*"error":"method not allowed"/,
    );
  });

  it.each([
    ['no HTTP at all', 'hello\r\n\r\n', 405],
    ['a TLS greeting', '\u0016\u0003\u0001\u0002\u0000\u0001', 405],
    ['a broken header', 'GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n', 400],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n', 400],
    ['two lengths', 'POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na', 400],
    ['headers without end', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`, 431],
  ])('answers %s and hangs up', async (_what, bytes, status) => {
    expect(await raw(bytes)).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*{"error":"[^]*"status":${status}}$`));
  });

  it('answers a request although something that is none came behind it, and hangs up then', async () => {
    // As Node's own client sends a DELETE with a body when it is given no length.
    const answer = await raw('DELETE /v1/things/1 HTTP/1.1\r\nHost: x\r\n\r\n{}');
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: close[\s\S]*\{"removed":true\}$/i);
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('closes CONNECT and refuses upgrades without harm', async () => {
    await raw('CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n');
    const answer = await raw(
      'GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n',
    );
    expect(answer).toMatch(/^(HTTP\/1.1 200|$)/);
    expect((await call('GET', '/healthz')).status).toBe(200);
  });

  it('lists every field that is wrong', async () => {
    expect((await call('GET', '/v1/things/invalid')).json).toEqual({
      error: 'name is required',
      type: 'about:blank',
      title: 'Unprocessable Entity',
      status: 422,
      errors: [{ field: 'name', message: 'is required' }],
    });
  });

  it('says nothing about what broke inside, and logs it', async () => {
    logged = '';
    const answer = await call('GET', '/v1/things/boom');
    expect(answer.status).toBe(500);
    expect(answer.text).not.toMatch(/hunter2|at .*\.ts/);
    expect(logged).toContain('hunter2 exploded');
  });

  it('answers 503 with Retry-After while the database is away, however often, and logs it once', async () => {
    logged = '';
    for (let time = 0; time < 5; time += 1) {
      const answer = await call('GET', '/v1/things/gone');
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    }
    expect(logged.match(/ECONNREFUSED/g)).toHaveLength(1);
  });

  it('answers 400 when the database cannot hold a value', async () => {
    expect((await call('GET', '/v1/things/nul')).status).toBe(400);
  });

  it('serves plain routes of a plugin with parsers of its own beside the controllers', async () => {
    const config = loadConfig({ PORT: '0', LOG_LEVEL: 'silent' });
    const other = createKernel(config);
    const application = await createHttpApplication(
      { module: RootModule, imports: [KernelModule.forRoot(other), ThingsModule] },
      other,
    );
    const { fastify } = application.getHttpAdapter() as unknown as HttpAdapter;
    await fastify.register(async (plugin) => {
      plugin.removeAllContentTypeParsers();
      plugin.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
      plugin.post('/v1/things/:token/ping', async (request) => ({
        bytes: (request.body as Buffer | undefined)?.length,
      }));
    });
    await application.init();
    const ping = await fastify.inject({
      method: 'POST',
      url: '/v1/things/x/ping',
      headers: { 'content-type': 'application/json' },
      payload: 'not json',
    });
    expect(ping.json()).toEqual({ bytes: 8 });
    expect((await fastify.inject({ method: 'PUT', url: '/v1/things/x/ping' })).headers['allow']).toBe('POST');
    expect((await fastify.inject({ method: 'POST', url: '/v1/things', payload: '{' })).statusCode).toBe(400);
    await application.close();
  });
});
