import { mintPingToken, type TokenKeyring } from '@flatline/domain';
import {
  createTestDatabase,
  eventually,
  freePort,
  runMigrate,
  sendRequest,
  startService,
  TEST_TOKEN_KEYS,
} from '@flatline/test-kit';
import type { ServiceProcess, TestDatabase } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';

const KEYRING: TokenKeyring = [Buffer.from(TEST_TOKEN_KEYS, 'hex')];
const pingPath = (): string =>
  `/v1/heartbeats/${mintPingToken({ heartbeatId: uuidv7(), generation: 0 }, KEYRING)}/ping`;

describe('the ingest as a process', () => {
  let database: TestDatabase;
  const started: ServiceProcess[] = [];
  beforeEach(async () => {
    database = await createTestDatabase('ingest');
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map(async ({ process }) => process.ended ?? (await process.stop('SIGKILL'))));
    await database.drop();
  });

  async function start(env: Record<string, string> = {}): Promise<ServiceProcess> {
    const service = await startService('ingest', { DATABASE_URL: database.url, ...env });
    started.push(service);
    return service;
  }

  it('waits for the schema: alive, not ready, asking jobs to try again; then it takes pings', async () => {
    const ingest = await start();
    const missing = await eventually(
      async () => {
        const answer = await ingest.readiness();
        expect(answer.body).toContain('schema');
        return answer;
      },
      { withinMs: 20_000 },
    );
    expect(missing.status).toBe(503);
    expect(JSON.parse(missing.body)).toMatchObject({
      error: 'not ready: database: the schema is behind this version; run dist/apps/migrate/main.js',
      missing: [{ component: 'database' }],
    });
    const get = (path: string) => sendRequest(ingest.baseUrl, { method: 'GET', path });
    expect(await get('/healthz')).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect(await get(pingPath())).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
    expect((await get('/metrics')).text).toMatch(/^process_cpu_seconds_total /m);

    await runMigrate({ DATABASE_URL: database.url });
    await ingest.ready();
    expect(await get(pingPath())).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect(await ingest.stop()).toEqual({ code: 0, signal: null });
  });

  it('names a Postgres that is away, and ends at once when asked to while it waits', async () => {
    const port = await freePort();
    const ingest = await start({ DATABASE_URL: `postgres://nobody:hunter2@127.0.0.1:${port}/nothing` });
    await eventually(
      async () => expect((await ingest.readiness()).body).toContain('Postgres cannot be used (ECONNREFUSED)'),
      { withinMs: 20_000 },
    );
    const startedAt = performance.now();
    expect(await ingest.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(ingest.process.lines.join('\n')).not.toContain('hunter2');
  });

  it.each([
    ['without token keys', { PING_TOKEN_KEYS: '' }, 'ingest did not start: PING_TOKEN_KEYS must be set.'],
    ['with an odd port', { PORT: 'x' }, 'ingest did not start: PORT must be a whole number from 0 to 65535.'],
    [
      'with another number of partitions',
      { PING_PARTITIONS: '7' },
      'ingest did not start: PING_PARTITIONS is 7, but the heartbeats of this installation are spread over 4; set PING_PARTITIONS to that.',
    ],
  ])('%s ends at once, and says why in one sentence', async (_case, env, sentence) => {
    await runMigrate({ DATABASE_URL: database.url });
    const ingest = await start(env);
    expect(await ingest.process.end()).toEqual({ code: 1, signal: null });
    expect(ingest.process.lines).toEqual([sentence]);
  });
});
