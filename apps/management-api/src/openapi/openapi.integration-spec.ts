import { useTestDatabase } from '@flatline/test-kit';
import { TestServer } from '../test-server';

const database = useTestDatabase('openapi');

describe('the API document', () => {
  let server: TestServer;
  let text: string;
  let document: {
    openapi: string;
    paths: Record<string, Record<string, { responses: Record<string, unknown>; operationId: string; security?: [] }>>;
    components: { schemas: Record<string, { properties: Record<string, object>; required?: string[] }> };
  };

  beforeAll(async () => {
    server = await TestServer.start(database.url);
    const answer = await server.call('GET', '/openapi.json', { key: null });
    text = answer.text;
    document = answer.json;
  });
  afterAll(async () => {
    await server.stop();
  });

  it('describes every route of the contract, and the ping URLs', () => {
    const routes = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(document.openapi).toBe('3.1.0');
    expect(routes.sort()).toEqual([
      'DELETE /v1/channels/{id}',
      'DELETE /v1/heartbeats/{id}',
      'GET /v1/blackouts',
      'GET /v1/channels',
      'GET /v1/heartbeats',
      'GET /v1/heartbeats/{id}',
      'GET /v1/heartbeats/{id}/incidents',
      'GET /v1/heartbeats/{id}/pings',
      'GET /v1/heartbeats/{id}/transitions',
      'GET /v1/heartbeats/{token}/ping',
      'HEAD /v1/heartbeats/{token}/ping',
      'PATCH /v1/heartbeats/{id}',
      'POST /v1/channels',
      'POST /v1/heartbeats',
      'POST /v1/heartbeats/{id}/pause',
      'POST /v1/heartbeats/{id}/resume',
      'POST /v1/heartbeats/{token}/ping',
      'POST /v1/projects',
    ]);
  });

  it('refers to nothing that is not there, and keeps no trace of its making', () => {
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name!);
    expect(new Set(references)).toEqual(new Set(Object.keys(document.components.schemas)));
    expect(text).not.toMatch(/nestjs-zod|Dto|\$defs/i);
  });

  it('names every operation once', () => {
    const names = Object.values(document.paths).flatMap((item) => Object.values(item).map((each) => each.operationId));
    expect(new Set(names).size).toBe(names.length);
  });

  it('says what is required, what the limits are and what is taken otherwise', () => {
    expect(document.components.schemas['CreateHeartbeat']).toMatchObject({
      type: 'object',
      required: ['name'],
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 200 },
        interval_secs: { type: 'integer', minimum: 1, maximum: 31_622_400, default: 3_600 },
        grace_secs: { type: 'integer', minimum: 0, maximum: 31_622_400, default: 300 },
        alert_after_misses: { type: 'integer', minimum: 1, maximum: 100, default: 2 },
      },
    });
  });

  it('names exactly the fields a heartbeat has', async () => {
    const { json } = await server.call('POST', '/v1/heartbeats', { body: { name: 'x' } });
    const { properties, required } = document.components.schemas['Heartbeat']!;
    expect(Object.keys(json).sort()).toEqual(Object.keys(properties).sort());
    expect(required!.sort()).toEqual(Object.keys(json).sort());
  });

  it('asks for a key everywhere but on ping URLs', () => {
    const open = Object.entries(document.paths).filter(([, item]) => Object.values(item).some((each) => each.security));
    expect(open.map(([path]) => path)).toEqual(['/v1/heartbeats/{token}/ping']);
    expect(Object.keys(document.paths['/v1/heartbeats/{id}']!['patch']!.responses)).toEqual([
      ...['200', '400', '401', '403', '404', '413', '415', '422', '503'],
    ]);
  });
});
