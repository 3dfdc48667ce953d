import { ADMIN_KEY, ApiSession, eventually, sendRequest, useFlatline } from '@flatline/test-kit';
import type { ApiAnswer, ApiHeartbeat, ApiRequest } from '@flatline/test-kit';

/** In the name of everything another tenant has. */
const MARK = 'belongs-to-alice-alone';

const flatline = useFlatline();
let charlie: ApiSession;
let alices: ApiHeartbeat;
let his: ApiHeartbeat;

beforeAll(async () => {
  const alice = new ApiSession(flatline.baseUrl, ADMIN_KEY);
  alices = await alice.create({ name: MARK });
  await alice.call('POST', '/channels', {
    kind: 'webhook',
    name: MARK,
    settings: { url: `http://127.0.0.1:9/${MARK}` },
  });
  charlie = await alice.createProject('Charlie’s');
  his = await charlie.create({ name: 'his own' });
});

/** The service goes on, on the same process, and has not once failed inside. */
afterEach(async () => {
  expect(flatline.process.ended).toBeNull();
  const { id, token } = await charlie.create();
  const { json } = await charlie.ping(token);
  await eventually(async () => expect(await charlie.pings(id)).toMatchObject([{ id: json.id }]));
  expect(flatline.process.lines.filter((line) => /"level":(50|60)|^\s+at /.test(line))).toEqual([]);
});

/** No 5xx, no insides, nobody else's data, and every refusal is JSON that says why. */
function expectHarmless(what: string, answer: ApiAnswer): void {
  const shown = `${what} → ${answer.status} ${answer.text.slice(0, 300)}`;
  expect(answer.status < 500 ? '' : shown).toBe('');
  expect(
    /(?:\n|\\n)\s+at |node_modules|\bSELECT\b|INSERT INTO|__proto__|at Object\./.test(answer.text) ? shown : '',
  ).toBe('');
  expect(answer.text.includes(MARK) || answer.text.includes(alices.id) ? shown : '').toBe('');
  const explained = answer.status < 400 || (typeof answer.json?.error === 'string' && answer.json.error !== '');
  expect(explained || answer.text === '' ? '' : shown).toBe('');
}

const send = (request: ApiRequest): Promise<ApiAnswer> => {
  const headers = { authorization: `Bearer ${charlie.key}`, 'content-type': 'application/json', ...request.headers };
  return sendRequest(flatline.baseUrl, { ...request, headers });
};

/** Every route with a body, and a body that it takes. */
const routesWithBody = (): [string, string, Record<string, unknown>][] => [
  ['POST', '/v1/heartbeats', { name: 'x', interval_secs: 60, grace_secs: 1, alert_after_misses: 2 }],
  [
    'PATCH',
    `/v1/heartbeats/${his.id}`,
    { name: 'x', interval_secs: 60, grace_secs: 1, alert_after_misses: 2, status: 'active' },
  ],
  ['POST', '/v1/channels', { kind: 'webhook', name: 'x', settings: { url: 'https://hooks.example/x' } }],
  ['POST', '/v1/projects', { name: 'x' }],
];
const routesWithoutBody = (): [string, string][] => [
  ['GET', '/v1/heartbeats'],
  ['GET', `/v1/heartbeats/${his.id}`],
  ['DELETE', `/v1/heartbeats/${alices.id}`],
  ['POST', `/v1/heartbeats/${his.id}/pause`],
  ['POST', `/v1/heartbeats/${his.id}/resume`],
  ['GET', `/v1/heartbeats/${his.id}/pings`],
  ['GET', `/v1/heartbeats/${his.id}/incidents`],
  ['GET', '/v1/channels'],
  ['DELETE', `/v1/channels/${alices.id}`],
  ['GET', `/v1/heartbeats/${his.token}/ping`],
  ['HEAD', `/v1/heartbeats/${his.token}/ping`],
  ['POST', `/v1/heartbeats/${his.token}/ping`],
  ['GET', '/healthz'],
  ['GET', '/readyz'],
  ['GET', '/metrics'],
  ['GET', '/openapi.json'],
];

/** As JSON text, because not all of them survive JSON.stringify. */
const HOSTILE_VALUES = [
  'null',
  'true',
  '0',
  '-0',
  '-1',
  '1.5',
  '1e999',
  '-1e999',
  '1e-999',
  '9007199254740993',
  '99999999999999999999999999999999',
  '"3600"',
  '""',
  '" "',
  '"\\u0000"',
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\uffff"',
  '"\\u202e"',
  `"${'x'.repeat(100_000)}"`,
  `"${'é'.repeat(201)}"`,
  '[]',
  '["x"]',
  '{}',
  '{"$gt":""}',
  '{"toString":1}',
  '{"__proto__":{"admin":true}}',
  '{"length":1}',
  '"\'; DROP TABLE heartbeat; --"',
  '"${jndi:ldap://127.0.0.1/x}"',
  '"<script>alert(1)</script>"',
  '"http://[::1"',
  '"javascript:alert(1)"',
  '"file:///etc/passwd"',
  '"http://user:password@127.0.0.1:9/"',
];

it('a wrong value in any field of any body harms nothing', async () => {
  for (const [method, path, valid] of routesWithBody()) {
    for (const field of Object.keys(valid)) {
      for (const value of HOSTILE_VALUES) {
        const rest = Object.entries(valid).filter(([name]) => name !== field);
        const members = [...rest.map(([name, each]) => `"${name}":${JSON.stringify(each)}`), `"${field}":${value}`];
        const answer = await send({ method, path, body: `{${members.join(',')}}` });
        expectHarmless(`${method} ${path} ${field}=${value.slice(0, 50)}`, answer);
        expect(answer.status).not.toBe(400); // it was JSON: what is wrong is the field
      }
    }
  }
});

const deep = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth);
const HOSTILE_BODIES: [string, string | Buffer][] = [
  ['nothing', ''],
  ['a blank', ' '],
  ['null', 'null'],
  ['a number', '1'],
  ['a string', '"x"'],
  ['a list', '[]'],
  ['a list of objects', '[{"name":"x"}]'],
  ['half an object', '{"name":"x"'],
  ['single quotes', "{'name':'x'}"],
  ['a comment', '{"name":"x"/* */}'],
  ['NaN', '{"name":"x","interval_secs":NaN}'],
  ['a name twice', '{"name":"x","name":1}'],
  ['a byte order mark', '\ufeff{"name":"x"}'],
  ['__proto__', '{"__proto__":{"name":"polluted","admin":true},"name":7}'],
  ['constructor.prototype', '{"constructor":{"prototype":{"name":"polluted"}}}'],
  ['toString', '{"name":{"toString":"x"},"hasOwnProperty":1,"toJSON":1}'],
  ['deep lists', deep(100_000, '[', ']')],
  ['deep objects', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`],
  ['deep under a known field', `{"name":${deep(5_000, '[', ']')}}`],
  ['a megabyte', JSON.stringify({ name: 'x'.repeat(1_000_000) })],
  ['a megabyte of members', JSON.stringify(Object.fromEntries(Array.from({ length: 60_000 }, (_, n) => [`k${n}`, n])))],
  ['a hundred thousand spaces', `${' '.repeat(100_000)}{}`],
  ['a million digits', `{"interval_secs":${'9'.repeat(200_000)}}`],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
  ['an overlong NUL', Buffer.from([0x7b, 0x22, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d])],
  ['NUL bytes', Buffer.alloc(1_000)],
  ['gzip', Buffer.from('1f8b080000000000000303000000000000000000', 'hex')],
];

it.each(HOSTILE_BODIES)('a body of %s harms nothing on any route', async (what, body) => {
  for (const [method, path] of [...routesWithBody(), ...routesWithoutBody()]) {
    if (method === 'GET' || method === 'HEAD') continue;
    expectHarmless(`${method} ${path} with ${what}`, await send({ method, path, body }));
  }
  const read = await charlie.read(his.id);
  expect(read).not.toHaveProperty('admin');
  expect(read.name).not.toBe('polluted');
});

const HOSTILE_IDS = [
  'undefined',
  'null',
  '0',
  '-1',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '%',
  '%zz',
  '%00',
  '%c0%80',
  '%ed%a0%80',
  '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
  '..',
  '.',
  '%2F',
  '%5c',
  "'%20OR%201=1--",
  '%F0%9F%92%A9',
  '*',
  ':id',
  '{id}',
  '__proto__',
  'constructor',
  'a'.repeat(300),
  'a'.repeat(8_000),
];

it.each(['GET', 'PATCH', 'DELETE', 'POST'])(
  '%s of an id that is none, a token or somebody else’s finds nothing',
  async (method) => {
    const paths = ['', '/pings', '/incidents', '/pause', '/resume', '/ping', '/nothing'];
    const ids = [
      ...HOSTILE_IDS,
      alices.id,
      alices.id.toUpperCase(),
      his.token,
      alices.token.slice(0, -1),
      `${his.id}%20`,
    ];
    for (const id of ids) {
      for (const path of paths) {
        if (id === his.token && path === '/ping') continue;
        const request = {
          method,
          path: `/v1/heartbeats/${id}${path}`,
          ...(method === 'PATCH' ? { body: '{"name":"x"}' } : {}),
        };
        const answer = await send(request);
        expectHarmless(`${method} ${request.path}`, answer);
        const found = answer.status < 400;
        // "/v1/heartbeats/./" and the like may be taken for the list itself by whoever shortens paths.
        expect(found && !['.', '..'].includes(id) ? `${method} ${request.path} → ${answer.status}` : '').toBe('');
      }
      expectHarmless(`${method} channel ${id}`, await send({ method, path: `/v1/channels/${id}` }));
    }
  },
);

it('queries nobody meant harm nothing', async () => {
  const queries = [
    'limit[]=1',
    'limit=1&limit=2',
    'limit=__proto__',
    '__proto__[limit]=1',
    '__proto__=1&constructor=2&toString=3',
    'limit=99999999999999999999',
    'limit=%00',
    'limit=1%00',
    'cursor[]=x',
    'cursor=%ff%fe',
    'cursor=%00',
    `cursor=${Buffer.from('253402214400001.0190a8e2-0000-7000-8000-000000000000').toString('base64url')}`,
    `cursor=${Buffer.from('-99999999999999.0190a8e2-0000-7000-8000-000000000000').toString('base64url')}`,
    `cursor=${Buffer.from('1.zzz').toString('base64url')}`,
    `cursor=${'A'.repeat(5_000)}`,
    '%',
    '&&&===',
    '?'.repeat(1_000),
    Array.from({ length: 1_000 }, (_, n) => `a${n}=1`).join('&'),
  ];
  for (const [method, path] of [...routesWithBody(), ...routesWithoutBody()]) {
    for (const query of queries) {
      expectHarmless(`${method} ${path}?${query.slice(0, 60)}`, await send({ method, path: `${path}?${query}` }));
    }
  }
});

it.each(['PUT', 'OPTIONS', 'TRACE', 'PROPFIND', 'SEARCH', 'LOCK', 'M-SEARCH', 'REPORT', 'QUERY', 'LINK', 'PURGE'])(
  '%s is no method of any route: 405 with Allow where there is something, 404 where there is nothing',
  async (method) => {
    for (const path of new Set([...routesWithBody(), ...routesWithoutBody()].map((route) => route[1]))) {
      const answer = await send({ method, path });
      expectHarmless(`${method} ${path}`, answer);
      expect(`${path} ${answer.status}`).toBe(`${path} 405`);
      expect(answer.headers['allow']).toMatch(/[A-Z]+/);
    }
    expect([404, 405]).toContain((await send({ method, path: '/nothing/here' })).status);
  },
);

it('paths that are none are not found, however they are written', async () => {
  const paths = [
    '/',
    '/v1',
    '/v1/',
    '/v2/heartbeats',
    '/V1/heartbeats',
    '/v1/heartbeat',
    '/v1/heartbeats/x/y/z',
    '/.git/config',
  ];
  const more = [
    '/v1/%68eartbeats%2f',
    '/v1/heartbeats%00',
    '/%',
    '/%2e%2e/%2e%2e/etc/passwd',
    '//',
    '/\\..\\',
    '/v1/heartbeats;x=1',
  ];
  for (const path of [...paths, ...more]) {
    const answer = await send({ method: 'GET', path });
    expectHarmless(path, answer);
    expect(`${path} ${answer.status}`).toMatch(/ (404|400)$/);
  }
});

it('headers that try something get nowhere', async () => {
  const attempts: Record<string, string>[] = [
    { authorization: `Bearer ${charlie.key} ${charlie.key}` },
    { authorization: `bearer  ${charlie.key}` },
    { authorization: 'Bearer \u00e9\u00ff' },
    { authorization: `Bearer ${'x'.repeat(10_000)}` },
    { authorization: 'Bearer __proto__' },
    { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE', 'x-original-url': '/v1/heartbeats' },
    { 'x-forwarded-for': "127.0.0.1'", 'x-forwarded-host': 'evil.example', forwarded: 'for="_x"' },
    { host: 'evil.example' },
    { host: '' },
    { 'content-encoding': 'gzip' },
    { 'content-type': 'application/json; charset=utf-16' },
    { 'content-type': ';;;' },
    { accept: 'image/*' },
    { 'accept-encoding': '\t, ;q=' },
    { range: 'bytes=0-1,2-3', 'if-match': '*', 'if-none-match': '*' },
    { origin: 'http://evil.example', 'access-control-request-method': 'DELETE' },
    { cookie: 'a=b; __proto__=1' },
    { upgrade: 'websocket', connection: 'upgrade', 'sec-websocket-key': 'x' },
    { upgrade: 'h2c', connection: 'Upgrade, HTTP2-Settings', 'http2-settings': 'AAMAAABkAAQAAP__' },
    { expect: 'the unexpected' },
    Object.fromEntries(Array.from({ length: 90 }, (_, n) => [`x-${n}`, 'y'])),
  ];
  for (const headers of attempts) {
    for (const [method, path] of [...routesWithBody(), ...routesWithoutBody()]) {
      if (headers['x-http-method-override'] && path.includes(his.id) && method === 'POST') continue;
      const answer = await send({ method, path, headers });
      expectHarmless(`${method} ${path} ${JSON.stringify(headers).slice(0, 80)}`, answer);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
  }
  expect(await charlie.read(his.id)).toMatchObject({ id: his.id });
});
