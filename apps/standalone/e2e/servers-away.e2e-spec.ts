import {
  eventually,
  runMigrate,
  SERVICE_NAMES,
  ServiceSet,
  startTestKafka,
  startTestPostgres,
} from '@flatline/test-kit';
import type { ApiSession, ServiceProcess, TestKafka, TestPostgres } from '@flatline/test-kit';

/** What the product promises is 5 s; machines are noisy. */
const ANSWERED_WITHIN_MS = 7_000;

describe('services on Kafka and Postgres', () => {
  let kafka: TestKafka;
  let postgres: TestPostgres;
  let services: ServiceSet | undefined;
  let ingest: ServiceProcess;
  let management: ServiceProcess;
  let api: ApiSession;
  let pinger: ApiSession;

  beforeAll(async () => {
    [kafka, postgres] = await Promise.all([startTestKafka(), startTestPostgres()]);
    const env = {
      DATABASE_URL: postgres.url,
      KAFKA_BROKERS: kafka.brokerList,
      KAFKA_REPLICATION_FACTOR: '1',
      PING_PARTITIONS: '4',
    };
    const key = await runMigrate(env);
    services = new ServiceSet(env);
    await services.startAll();
    await services.ready({ withinMs: 60_000 });
    [ingest, management] = [services.of('ingest'), services.of('management-api')];
    api = services.api(key!);
    pinger = services.pinger;
  }, 120_000);

  afterAll(async () => {
    postgres?.thaw();
    await services?.kill();
    await Promise.all([kafka?.stop(), postgres?.stop()]);
  }, 60_000);

  const readinessOf = async (service: ServiceProcess): Promise<number> => (await service.readiness()).status;

  it('take pings durably while Postgres hangs, with the ingest ready, and apply each once afterwards', async () => {
    const { id, token } = await api.create({ interval_secs: 3600 });
    expect(await pinger.ping(token)).toMatchObject({ status: 200 });
    postgres.freeze();
    const acknowledged: string[] = [];
    try {
      await eventually(async () => expect(await readinessOf(management)).toBe(503), { withinMs: 20_000 });
      for (let n = 0; n < 30; n += 1) {
        const startedAt = performance.now();
        const answer = await pinger.ping(token);
        expect(answer.status).toBe(200);
        expect(performance.now() - startedAt).toBeLessThan(ANSWERED_WITHIN_MS);
        acknowledged.push(answer.json.id as string);
        expect(await readinessOf(ingest)).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } finally {
      postgres.thaw();
    }
    await eventually(
      async () => {
        const ids = (await api.pings(id)).map((ping) => ping.id);
        expect(ids).toEqual(expect.arrayContaining(acknowledged));
        expect(new Set(ids).size).toBe(ids.length);
      },
      { withinMs: 40_000 },
    );
    expect(await api.incidents(id)).toEqual([]);
  });

  it('answer the API while Kafka is away, refuse pings in time, and go on when it is back', async () => {
    const { id, token } = await api.create({ interval_secs: 3600 });
    const first = await pinger.ping(token);
    await eventually(async () => expect(await api.pings(id)).toHaveLength(1), { withinMs: 20_000 });
    await kafka.kill();
    try {
      const refusedAt = performance.now();
      expect(await pinger.ping(token)).toMatchObject({ status: 503 });
      expect(performance.now() - refusedAt).toBeLessThan(ANSWERED_WITHIN_MS);
      await eventually(async () => expect(await readinessOf(ingest)).toBe(503), { withinMs: 20_000 });

      const askedAt = performance.now();
      expect(await api.read(id)).toMatchObject({ id, last_pinged_at: expect.any(String) });
      expect((await api.pings(id)).map((ping) => ping.id)).toEqual([first.json.id]);
      expect(await api.create({ name: 'created meanwhile' })).toMatchObject({ name: 'created meanwhile' });
      expect(performance.now() - askedAt).toBeLessThan(ANSWERED_WITHIN_MS);
      expect(await readinessOf(management)).toBe(200);
    } finally {
      await kafka.start();
    }
    await eventually(async () => expect(await pinger.ping(token)).toMatchObject({ status: 200 }), { withinMs: 60_000 });
    await eventually(async () => expect(await api.pings(id)).toHaveLength(2), { withinMs: 60_000 });
    await services!.ready({ withinMs: 60_000 });
  });

  it('stop well', async () => {
    const ends = await Promise.all(services!.all.map((service) => service.stop({ withinMs: 15_000 })));
    expect(ends).toEqual(SERVICE_NAMES.map(() => ({ code: 0, signal: null })));
  });
});
