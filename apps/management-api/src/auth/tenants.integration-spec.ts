import { useTestDatabase } from '@flatline/test-kit';
import { TestServer } from '../test-server';

const database = useTestDatabase('management');
const UNKNOWN_ID = '0198c5a0-7c5e-7f8a-9d1e-0123456789ab';

describe('keys and tenants', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start(database.url);
  });
  afterAll(async () => {
    await server.stop();
  });

  const create = async (body: object = { name: 'nightly backup' }, key?: string) =>
    (await server.call('POST', '/v1/heartbeats', { body, ...(key === undefined ? {} : { key }) })).json;

  it('says what is wrong with a key', async () => {
    expect((await server.call('GET', '/v1/heartbeats', { key: null })).json.error).toBe('missing authorization');
    const wrong = await server.call('GET', '/v1/heartbeats', { key: 'flk_wrong' });
    expect([wrong.status, wrong.json.error]).toEqual([401, 'unauthorized']);
    expect(wrong.headers.get('www-authenticate')).toBe('Bearer');
  });

  it('takes the scheme in any case', async () => {
    const headers = { authorization: `bearer  ${server.adminKey} ` };
    expect((await server.call('GET', '/v1/heartbeats', { key: null, headers })).status).toBe(200);
  });

  it('keeps projects apart', async () => {
    const alice = await create();
    const charlie = await server.newProject('Charlie');
    const asCharlie = { key: charlie.key };
    expect((await server.call('GET', '/v1/heartbeats', asCharlie)).json.heartbeats).toEqual([]);
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'mine now' }],
      ['DELETE', '', undefined],
      ['POST', '/pause', undefined],
      ['POST', '/resume', undefined],
      ['GET', '/pings', undefined],
      ['GET', '/incidents', undefined],
    ] as const) {
      const answer = await server.call(method, `/v1/heartbeats/${alice.id}${path}`, { ...asCharlie, body });
      const unknown = await server.call(method, `/v1/heartbeats/${UNKNOWN_ID}${path}`, { ...asCharlie, body });
      expect([answer.status, answer.text]).toEqual([404, unknown.text]);
    }
    expect((await server.call('GET', `/v1/heartbeats/${alice.id}`)).json.name).toBe('nightly backup');
  });

  it('lets only the administrator of the instance make projects', async () => {
    const { key } = await server.newProject('Bob');
    expect((await server.call('POST', '/v1/projects', { key, body: { name: 'more' } })).status).toBe(403);
    const answer = await server.call('POST', '/v1/projects', { body: { name: 'Dora' } });
    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({ id: expect.any(String), name: 'Dora', api_key: expect.stringMatching(/^flk_/) });
  });

  it('lets a key for reading only read', async () => {
    const { key, id: projectId } = await server.newProject('Readers');
    const heartbeat = await create({ name: 'x' }, key);
    await server.dataSource.query(`UPDATE api_key SET scope = 'read' WHERE project_id = $1`, [projectId]);
    expect((await server.call('GET', `/v1/heartbeats/${heartbeat.id}`, { key })).status).toBe(200);
    expect((await server.call('DELETE', `/v1/heartbeats/${heartbeat.id}`, { key })).status).toBe(403);
    await server.dataSource.query('UPDATE api_key SET revoked_at = now() WHERE project_id = $1', [projectId]);
    expect((await server.call('GET', `/v1/heartbeats/${heartbeat.id}`, { key })).status).toBe(401);
  });

  it('keeps no key, only its hash and its beginning', async () => {
    const rows = await server.dataSource.query<{ prefix: string; row: string }[]>(
      'SELECT prefix, api_key::text AS row FROM api_key',
    );
    expect(rows.map((each) => each.prefix)).toContain(server.adminKey.slice(0, 12));
    expect(rows.some((each) => each.row.includes(server.adminKey))).toBe(false);
  });
});
