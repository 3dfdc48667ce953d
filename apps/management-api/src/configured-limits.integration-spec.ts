import { useTestDatabase } from '@flatline/test-kit';
import { TestServer } from './test-server';

const database = useTestDatabase('limits');

describe('what the configuration decides', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start(database.url, {
      MAX_HEARTBEATS_PER_PROJECT: '3',
      MAX_CHANNELS_PER_PROJECT: '2',
      ALLOW_PRIVATE_WEBHOOK_TARGETS: 'true',
      SMTP_URL: 'smtp://127.0.0.1:2525',
      PUBLIC_BASE_URL: 'https://flatline.example.org/',
    });
  });
  afterAll(async () => {
    await server.stop();
  });

  it('is how many heartbeats a project has, also when many are created at once', async () => {
    const attempts = Array.from({ length: 12 }, () => server.call('POST', '/v1/heartbeats', { body: { name: 'x' } }));
    const answers = await Promise.all(attempts);
    const created = answers.filter((answer) => answer.status === 201);
    const refused = answers.filter((answer) => answer.status === 402);
    expect([created.length, refused.length]).toEqual([3, 9]);
    expect(refused[0]!.json.error).toBe('heartbeat quota reached');

    const { key } = await server.newProject('another');
    expect((await server.call('POST', '/v1/heartbeats', { key, body: { name: 'x' } })).status).toBe(201);
    await server.call('DELETE', `/v1/heartbeats/${created[0]!.json.id}`);
    expect((await server.call('POST', '/v1/heartbeats', { body: { name: 'x' } })).status).toBe(201);
  });

  it('is how many channels a project has, and whether they may be private', async () => {
    const webhook = { kind: 'webhook', name: 'mine', settings: { url: 'http://127.0.0.1:9/x' } };
    const email = { kind: 'email', name: 'me', settings: { address: 'alice@example.org' } };
    expect((await server.call('POST', '/v1/channels', { body: webhook })).status).toBe(201);
    const created = await server.call('POST', '/v1/channels', { body: email });
    expect(created.status).toBe(201);
    expect(created.json).not.toHaveProperty('secret');
    const refused = await server.call('POST', '/v1/channels', { body: email });
    expect([refused.status, refused.json.error]).toEqual([402, 'channel quota reached']);
  });

  it('is the address that people see', async () => {
    const { json } = await server.call('GET', '/v1/heartbeats');
    expect(json.heartbeats[0].ping_url).toMatch(/^https:\/\/flatline\.example\.org\/v1\/heartbeats\//);
    expect((await server.call('GET', '/openapi.json')).json.servers).toEqual([{ url: 'https://flatline.example.org' }]);
  });
});
