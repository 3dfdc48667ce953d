import { ADMIN_KEY, ApiSession, sendRequest, useFlatline } from '@flatline/test-kit';
import type { ApiAnswer } from '@flatline/test-kit';

const json = { 'content-type': 'application/json' };

/** What one client puts on the wire. */
interface Dialect {
  /** Joined to the path as the client does it. */
  base: string;
  /** Of every management call, beside the key. */
  managed: Record<string, string>;
  /** Added when there is a body. */
  withBody: Record<string, string>;
  ping: Record<string, string>;
  pausesBy: 'POST' | 'PATCH';
}

const undici = { 'accept-language': '*', 'sec-fetch-mode': 'cors', 'accept-encoding': 'gzip, deflate' };
const node = {
  managed: { ...json, ...undici, 'user-agent': 'tickstem-node/0.1.0', accept: 'application/json' },
  withBody: {},
  ping: { ...undici, accept: '*/*', 'user-agent': 'tickstem-node/0.1.0', 'content-length': '0' },
};
const httpx = {
  'user-agent': 'tickstem-python/1.0.0',
  accept: 'application/json',
  'accept-encoding': 'gzip, deflate',
  connection: 'keep-alive',
};

const clients: [string, Dialect][] = [
  ['Node, as published (0.2.0)', { ...node, base: '/v1', pausesBy: 'POST' }],
  ['Node, as in its repository', { ...node, base: '/v1', pausesBy: 'PATCH' }],
  ['Node with a slash at the end of its base URL', { ...node, base: '/v1/', pausesBy: 'POST' }],
  [
    'Python',
    {
      base: '/v1',
      managed: httpx,
      withBody: json,
      ping: { ...httpx, 'content-length': '0' },
      pausesBy: 'PATCH',
    },
  ],
  [
    'Go',
    {
      base: '/v1',
      managed: { 'user-agent': 'tickstem-go/1.0.1', accept: 'application/json', 'accept-encoding': 'gzip' },
      withBody: json,
      ping: { 'user-agent': 'tickstem-go/1.0.1', 'accept-encoding': 'gzip', 'content-length': '0' },
      pausesBy: 'PATCH',
    },
  ],
  [
    'the MCP server',
    {
      base: '/v1',
      managed: { ...json, 'user-agent': 'tickstem-mcp/1.0.0', 'accept-encoding': 'gzip' },
      withBody: {},
      ping: { 'user-agent': 'tickstem-mcp/1.0.0', 'accept-encoding': 'gzip', 'content-length': '0' },
      pausesBy: 'POST',
    },
  ],
];

const flatline = useFlatline();

describe.each(clients)('%s', (name, dialect) => {
  let authorization: string;
  beforeAll(async () => {
    const project = await new ApiSession(flatline.baseUrl, ADMIN_KEY).createProject(name);
    authorization = `Bearer ${project.key}`;
  });

  const call = (method: string, path: string, body?: object): Promise<ApiAnswer> => {
    const framing: Record<string, string> = method === 'POST' && !body ? { 'content-length': '0' } : {};
    return sendRequest(flatline.baseUrl, {
      method,
      path: dialect.base + path,
      headers: { authorization, ...dialect.managed, ...(body ? dialect.withBody : framing) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  };
  const ping = (token: string): Promise<ApiAnswer> =>
    sendRequest(flatline.baseUrl, {
      method: 'POST',
      path: `${dialect.base}/heartbeats/${token}/ping`,
      headers: dialect.ping,
    });
  const setStatus = (id: string, status: 'paused' | 'active'): Promise<ApiAnswer> =>
    dialect.pausesBy === 'PATCH'
      ? call('PATCH', `/heartbeats/${id}`, { status })
      : call('POST', `/heartbeats/${id}/${status === 'paused' ? 'pause' : 'resume'}`);

  it('can do everything it knows, from creating to deleting', async () => {
    const created = await call('POST', '/heartbeats', { name: 'nightly', interval_secs: 604_800, grace_secs: 0 });
    expect(created).toMatchObject({ status: 201, json: { interval_secs: 604_800, grace_secs: 0 } });
    const { id, token } = created.json as { id: string; token: string };

    expect(await call('GET', `/heartbeats/${id}`)).toMatchObject({ status: 200, json: created.json });
    expect(await call('GET', '/heartbeats')).toMatchObject({ status: 200, json: { heartbeats: [created.json] } });
    const renamed = await call('PATCH', `/heartbeats/${id}`, { name: 'nightly backup', grace_secs: 0 });
    expect(renamed).toMatchObject({ status: 200, json: { name: 'nightly backup', grace_secs: 0 } });

    expect(await ping(token)).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect(await setStatus(id, 'paused')).toMatchObject({ status: 200, json: { id, status: 'paused' } });
    expect(await ping(token)).toMatchObject({ status: 200, json: { status: 'paused' } });
    expect(await setStatus(id, 'active')).toMatchObject({ status: 200, json: { id, status: 'active' } });
    expect(await ping(token)).toMatchObject({ status: 200, json: { status: 'ok' } });

    const history = await call('GET', `/heartbeats/${id}/pings?limit=50`);
    expect(history).toMatchObject({ status: 200, json: { pings: expect.any(Array) } });

    expect(await call('DELETE', `/heartbeats/${id}`)).toMatchObject({ status: 204, text: '' });
    expect(await call('GET', `/heartbeats/${id}`)).toMatchObject({ status: 404, json: { error: 'not found' } });
    expect(await ping(token)).toMatchObject({ status: 404, json: { error: 'not found' } });
  });

  it('reads why it was refused', async () => {
    expect(await call('POST', '/heartbeats', { name: '' })).toMatchObject({
      status: 422,
      json: { error: expect.stringContaining('name') },
    });
    const path = `${dialect.base}/heartbeats`;
    const headers = { ...dialect.managed, authorization: 'Bearer tsk_live_wrong' };
    expect(await sendRequest(flatline.baseUrl, { method: 'GET', path, headers })).toMatchObject({
      status: 401,
      json: { error: 'unauthorized' },
    });
  });
});
