import { connect } from 'node:net';
import { useTestDatabase } from '@flatline/test-kit';
import { TestServer } from './test-server';

const database = useTestDatabase('hostile');

/** Every route, with `{id}` where an id goes. `body`: one that would be accepted. */
const ROUTES: readonly { method: string; path: string; body?: object }[] = [
  { method: 'GET', path: '/v1/heartbeats' },
  { method: 'POST', path: '/v1/heartbeats', body: { name: 'x' } },
  { method: 'GET', path: '/v1/heartbeats/{id}' },
  { method: 'PATCH', path: '/v1/heartbeats/{id}', body: { name: 'x' } },
  { method: 'POST', path: '/v1/heartbeats/{id}/pause' },
  { method: 'POST', path: '/v1/heartbeats/{id}/resume' },
  { method: 'GET', path: '/v1/heartbeats/{id}/pings' },
  { method: 'GET', path: '/v1/heartbeats/{id}/incidents' },
  { method: 'DELETE', path: '/v1/heartbeats/{id}' },
  { method: 'GET', path: '/v1/channels' },
  {
    method: 'POST',
    path: '/v1/channels',
    body: { kind: 'webhook', name: 'x', settings: { url: 'https://example.org' } },
  },
  { method: 'DELETE', path: '/v1/channels/{id}' },
  { method: 'POST', path: '/v1/projects', body: { name: 'x' } },
];
const label = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;
const ALL = ROUTES.map((route) => [label(route), route] as const);
const WITH_ID = ALL.filter(([, { path }]) => path.includes('{id}'));
const WITH_BODY = ALL.filter(([, { body }]) => body !== undefined);
const WITH_QUERY = ALL.filter(([, { method, path }]) => method === 'GET' && /(heartbeats|pings|incidents)$/.test(path));

const deep = (depth: number) => `${'{"name":'.repeat(depth)}1${'}'.repeat(depth)}`;
const VALUES: readonly unknown[] = [
  ...[null, true, false, [], {}, '', ' ', 'x', '3600', -1, 0.5, 1e300, -1e300, 2 ** 60, 1e21],
  ...['a\u0000b', '\ud800', '\u0000', 'x'.repeat(10_000), "'; DROP TABLE heartbeat; --", '${7*7}', '../../etc/passwd'],
  ...[[1], { a: 1 }, [[[[]]]], { toString: 'x' }, { then: 'x' }, { $gt: '' }],
];
const FIELDS = ['name', 'interval_secs', 'grace_secs', 'alert_after_misses', 'status', 'kind', 'settings'];
const BODIES = [
  ...[
    '',
    'null',
    'true',
    '1',
    '"x"',
    '[]',
    '[{}]',
    '{',
    '}',
    'name=x',
    '{"name":"x"',
    "{'name':'x'}",
    '{"name":1e999}',
  ],
  ...['{"__proto__":{"name":"x"}}', '{"constructor":{"prototype":{"x":1}}}', '{"name":"x","name":null}', '\u0000'],
  ...[
    '{"name":"\\ud800"}',
    '{"name":"\\u0000"}',
    '{"interval_secs":1e400,"name":1}',
    '\uFEFF{}',
    deep(50),
    deep(5_000),
  ],
];

describe('hostile input', () => {
  let server: TestServer;
  let heartbeat: { id: string; token: string };
  let stranger: string;

  beforeAll(async () => {
    server = await TestServer.start(database.url);
    heartbeat = (await server.call('POST', '/v1/heartbeats', { body: { name: 'mine' } })).json;
    stranger = (await server.newProject('Charlie')).key;
  });
  afterAll(async () => {
    await server.stop();
  });

  /** A refusal in the form of the contract that says nothing about our insides. */
  const expectRefusal = (
    answer: { status: number; text: string; json: { error?: unknown } },
    ...statuses: number[]
  ) => {
    expect(statuses).toContain(answer.status);
    expect(typeof answer.json.error).toBe('string');
    expect(answer.text).not.toMatch(/node_modules|\.ts:|\.js:|\bat \w+.*\(|QueryFailed|SELECT |INSERT /);
  };
  const expectHarmless = (answer: { status: number; text: string; json: { error?: unknown } }) => {
    expect(answer.status).toBeLessThan(500);
    if (answer.status >= 400) expectRefusal(answer, answer.status);
  };

  it.each(ALL)('%s without, with an empty and with a wrong key', async (_label, { method, path, body }) => {
    const url = path.replace('{id}', heartbeat.id);
    expectRefusal(await server.call(method, url, { key: null, body }), 401);
    for (const authorization of [
      ...['Bearer', 'Bearer ', 'Basic abc', 'x', 'Bearer a b', `Bearer ${'k'.repeat(4_000)}`, 'Bearer \u00ff\u00fe'],
      ...[`Bearer ${heartbeat.token}`, `Bearer ${heartbeat.id}`, `${server.adminKey}`, `Token ${server.adminKey}`],
    ]) {
      expectRefusal(await server.call(method, url, { key: null, body, headers: { authorization } }), 401);
    }
    if (method !== 'GET') expectRefusal(await server.call(method, url, { key: null, body: '{' }), 401);
  });

  it.each(WITH_ID)('%s with ids that are none', async (_label, { method, path, body }) => {
    for (const id of [
      ...[heartbeat.token, heartbeat.id.toUpperCase(), `${heartbeat.id}x`, `%20${heartbeat.id}`, heartbeat.id.slice(1)],
      ...[
        '0',
        '-1',
        'null',
        'undefined',
        '%00',
        'a%00b',
        '%F0%9F%98%80',
        '*',
        '%2e%2e',
        '%2F',
        '..%2f..',
        'x'.repeat(199),
      ],
      ...['x'.repeat(2_000), '__proto__', 'constructor', "'%20OR%201=1--", '0198c5a0-7c5e-7f8a-9d1e-0123456789ab'],
    ]) {
      expectRefusal(await server.call(method, path.replace('{id}', id), { body }), 404);
    }
    expectRefusal(await server.call(method, path.replace('{id}', '%zz'), { body }), 400);
    expectRefusal(await server.call(method, path.replace('{id}', '%ff'), { body }), 400);
  });

  it.each(WITH_ID)('%s with the key of another project', async (_label, { method, path, body }) => {
    expectRefusal(await server.call(method, path.replace('{id}', heartbeat.id), { body, key: stranger }), 404);
  });

  it.each(WITH_BODY)('%s with bodies that are none', async (_label, { method, path }) => {
    const url = path.replace('{id}', heartbeat.id);
    for (const body of BODIES) {
      for (const type of [
        'application/json',
        'text/plain',
        'multipart/form-data',
        'application/json; charset=utf-16',
      ]) {
        const answer = await server.call(method, url, { body, headers: { 'content-type': type } });
        // A PATCH of nothing changes nothing.
        const isNothing = method === 'PATCH' && answer.status === 200;
        if (!isNothing) expectRefusal(answer, 400, 422);
      }
    }
  });

  it.each(WITH_BODY)('%s with every field of every wrong type', async (_label, { method, path, body }) => {
    const url = path.replace('{id}', heartbeat.id);
    for (const field of FIELDS) {
      for (const value of VALUES) {
        if (method === 'PATCH' && field === 'name' && typeof value === 'string') continue;
        const answer = await server.call(method, url, { body: { ...body, [field]: value } });
        expectHarmless(answer);
        if (answer.status === 422) expect(answer.json.error).toContain(field);
      }
    }
    await server.call('PATCH', `/v1/heartbeats/${heartbeat.id}`, { body: { name: 'mine' } });
  });

  it.each(ALL)('%s with a body of 1 MB', async (_label, { method, path }) => {
    if (method === 'GET') return expectHarmless(await server.call('GET', '/v1/heartbeats'));
    const body = JSON.stringify({ name: 'x'.repeat(1_048_576) });
    return expectRefusal(await server.call(method, path.replace('{id}', heartbeat.id), { body }), 413);
  });

  it.each(WITH_QUERY)('%s with queries that are none', async (_label, { path }) => {
    const url = path.replace('{id}', heartbeat.id);
    for (const value of [
      ...['', '0', '-1', '101', '1.5', '1e1', 'x', '%00', '999999999999999999999', 'NaN', 'null', '1%20', '%zz', '%ff'],
    ]) {
      expectRefusal(await server.call('GET', `${url}?limit=${value}`), 422, 400);
    }
    expectRefusal(await server.call('GET', `${url}?limit=1&limit=2`), 422);
    for (const cursor of [
      'x',
      '',
      heartbeat.id,
      '%00',
      'AAAA',
      'x'.repeat(3_000),
      Buffer.from('1.x').toString('base64url'),
    ]) {
      expectRefusal(await server.call('GET', `${url}?cursor=${cursor}`), 422);
    }
    for (const query of [
      '?__proto__=1',
      '?constructor=x',
      '?limit[a]=1',
      '?a=%zz',
      '?',
      '?&&&',
      `?${'a=1&'.repeat(2_000)}`,
    ]) {
      expectHarmless(await server.call('GET', url + query));
    }
  });

  it.each(ALL)('%s under other methods', async (_label, { path }) => {
    const url = path.replace('{id}', heartbeat.id);
    for (const method of ['PUT', 'OPTIONS', 'PROPFIND', 'SEARCH', 'LOCK']) {
      const answer = await server.call(method, url);
      expectRefusal(answer, 405);
      expect(answer.headers.get('allow')).toMatch(/[A-Z]/);
    }
  });

  it.each(ALL)('%s with slashes and spellings', async (_label, { method, path, body }) => {
    const url = path.replace('{id}', '0198c5a0-7c5e-7f8a-9d1e-0123456789ab');
    for (const spelling of [`/${url}`, url.replace('/v1', '/v1/'), `${url}/`, `${url}//`, url.replace('v1', '%761')]) {
      expectHarmless(await server.call(method, spelling, { body, key: stranger }));
    }
    for (const spelling of [
      `${url}/x/y`,
      url.replace('/v1', '/v2'),
      url.replace('/v1', ''),
      url.replace('/v1/', '/V1/'),
    ]) {
      expectRefusal(await server.call(method, spelling, { body }), 404, 405);
    }
  });

  it('leaves what others own as it was', async () => {
    const answer = await server.call('GET', `/v1/heartbeats/${heartbeat.id}`);
    expect(answer.json).toMatchObject({ name: 'mine', status: 'active' });
  });

  it('bytes that are no request', async () => {
    for (const bytes of [
      '\u0000\u0001\u0002\r\n\r\n',
      'GET\r\n\r\n',
      'GET /v1/heartbeats HTTP/9.9\r\n\r\n',
      'A'.repeat(100_000),
    ]) {
      const answer = await raw(server.port, bytes);
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
    expect((await server.call('GET', '/v1/heartbeats')).status).toBe(200);
  });
});

function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let said = '';
    socket.on('data', (chunk) => (said += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(said));
  });
}
