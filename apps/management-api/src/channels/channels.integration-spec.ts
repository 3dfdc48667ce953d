import { useTestDatabase } from '@flatline/test-kit';
import { TestServer } from '../test-server';

const database = useTestDatabase('management');
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('channels', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start(database.url);
  });
  afterAll(async () => {
    await server.stop();
  });

  const webhook = { kind: 'webhook', name: 'ops', settings: { url: 'https://hooks.example.org/x', extra: 1 } };

  it('creates a webhook and shows its signing secret once', async () => {
    const created = await server.call('POST', '/v1/channels', { body: webhook });
    expect(created.status).toBe(201);
    expect(created.json).toEqual({
      id: expect.any(String),
      kind: 'webhook',
      name: 'ops',
      settings: { url: 'https://hooks.example.org/x' },
      secret: expect.stringMatching(/^whsec_/),
      created_at: expect.stringMatching(INSTANT),
    });
    const list = await server.call('GET', '/v1/channels');
    expect(list.json.channels).toContainEqual({ ...created.json, secret: undefined });
    expect(list.text).not.toContain('whsec_');
  });

  it('deletes a channel, once, and nobody else’s', async () => {
    const { id } = (await server.call('POST', '/v1/channels', { body: webhook })).json;
    const charlie = await server.newProject('Charlie');
    expect((await server.call('DELETE', `/v1/channels/${id}`, { key: charlie.key })).status).toBe(404);
    expect((await server.call('DELETE', `/v1/channels/${id}`)).status).toBe(204);
    expect((await server.call('DELETE', `/v1/channels/${id}`)).status).toBe(404);
    expect((await server.call('GET', '/v1/channels', { key: charlie.key })).json).toEqual({ channels: [] });
  });

  it.each([
    'http://127.0.0.1:9/x',
    'http://2130706433/',
    'http://[::1]/',
    'http://[::ffff:10.0.0.1]/',
    'http://10.1.2.3/',
    'http://169.254.169.254/latest/meta-data',
    'http://localhost:8080/',
    'http://api.localhost./',
  ])('refuses the private target %s', async (url) => {
    const answer = await server.call('POST', '/v1/channels', { body: { ...webhook, settings: { url } } });
    expect(answer.status).toBe(422);
    expect(answer.json.errors).toEqual([{ field: 'settings.url', message: expect.stringContaining('private') }]);
  });

  it('lists what is wrong with the name and with the settings', async () => {
    const body = { ...webhook, name: 5, settings: { url: 'ftp://example.org' } };
    const answer = await server.call('POST', '/v1/channels', { body });
    expect(answer.json.errors).toMatchObject([{ field: 'name' }, { field: 'settings.url' }]);
  });

  it.each([
    [{ ...webhook, kind: 'pigeon' }, 'kind'],
    [{ ...webhook, settings: { url: 'ftp://example.org' } }, 'settings.url'],
    [{ ...webhook, settings: {} }, 'settings.url'],
    [{ ...webhook, settings: 'https://example.org' }, 'settings'],
    [{ ...webhook, name: '' }, 'name'],
    [{ kind: 'email', name: 'x', settings: { address: 'a@example.org' } }, 'kind'],
  ])('refuses %j', async (body, field) => {
    const answer = await server.call('POST', '/v1/channels', { body });
    expect(answer.status).toBe(422);
    expect(answer.json.errors[0].field).toBe(field);
  });
});
