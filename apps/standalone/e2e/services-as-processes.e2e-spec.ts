import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createTestDatabase,
  eventually,
  runMigrate,
  SERVICE_NAMES,
  ServiceSet,
  startWebhookReceiver,
} from '@flatline/test-kit';
import type { ApiSession, ServiceName, TestDatabase, WebhookReceiver } from '@flatline/test-kit';

const WELL = { code: 0, signal: null };

describe('the four services as processes', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let api: ApiSession;
  let services: ServiceSet;

  const pings = (token: string) => services.pinger.ping(token);
  const told = (name: string) =>
    receiver.requests
      .filter((request) => request.body.includes(name))
      .map(({ body }) => JSON.parse(body).type as string);

  beforeAll(async () => {
    database = await createTestDatabase('processes');
    receiver = await startWebhookReceiver();
    // All at once, as an orchestrator would: the services wait for the migrations.
    services = new ServiceSet({ DATABASE_URL: database.url, DEFAULT_ALERT_WEBHOOK_URL: receiver.url });
    await services.startAll();
    const key = await runMigrate({ DATABASE_URL: database.url });
    await services.ready();
    api = services.api(key!);
  }, 90_000);

  afterAll(async () => {
    await services?.kill();
    await receiver.stop();
    await database.drop();
  });

  it('tell of a job that stops and of its return, from the ping to the webhook', async () => {
    const name = 'runs in a cluster';
    const { id, token } = await api.create({ name, interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
    expect(await pings(token)).toMatchObject({ status: 200 });
    await eventually(() => expect(told(name)).toEqual(['heartbeat.down']), { withinMs: 20_000 });
    expect(await pings(token)).toMatchObject({ status: 200 });
    await eventually(() => expect(told(name).slice(0, 2)).toEqual(['heartbeat.down', 'heartbeat.recovered']), {
      withinMs: 20_000,
    });
    expect(await api.pings(id)).toHaveLength(2);
    await api.call('DELETE', `/heartbeats/${id}`);
  });

  it.each(SERVICE_NAMES)('count what the documents say that %s counts', async (name) => {
    const documented = documentedMetrics(name);
    expect(documented.length).toBeGreaterThan(0);
    const text = await (await fetch(`${services.of(name).baseUrl}/metrics`)).text();
    const served = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, metric]) => metric!);
    expect(served.filter((metric) => metric.startsWith('flatline_')).sort()).toEqual([...documented].sort());
    expect(served).toEqual(expect.arrayContaining(['process_cpu_seconds_total', 'nodejs_heap_size_used_bytes']));
  });

  it('log JSON that names the service, and nothing per ping', async () => {
    for (const name of SERVICE_NAMES) {
      const lines = services.of(name).process.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(lines.filter((line) => line['service'] !== name)).toEqual([]);
      expect(lines.map((line) => line['msg'])).toContain('listening');
    }
    const { id, token } = await api.create({ interval_secs: 3600 });
    const before = services.of('ingest').process.lines.length;
    for (let n = 0; n < 10; n += 1) await pings(token);
    await eventually(async () => expect(await api.pings(id)).toHaveLength(10));
    expect(services.of('ingest').process.lines).toHaveLength(before);
  });

  it('lose no acknowledged ping and apply none twice when each is stopped and started under load', async () => {
    const { id, token } = await api.create({ name: 'under load', interval_secs: 3600 });
    const outcomes: Promise<string>[] = [];
    const pinging = setInterval(() => {
      outcomes.push(
        pings(token).then(
          ({ status, json }) => (status === 200 ? (json.id as string) : String(status)),
          (error: NodeJS.ErrnoException) => String(error.code),
        ),
      );
    }, 5);
    try {
      for (const name of ['deadline-scheduler', 'ingest', 'notifier', 'management-api'] as const) {
        const count = outcomes.length;
        await eventually(() => expect(outcomes.length).toBeGreaterThan(count + 50));
        expect(await services.of(name).stop({ withinMs: 10_000 })).toEqual(WELL);
        expect(await services.of(name).stop({ withinMs: 10_000 })).toEqual(WELL);
        await (await services.start(name)).ready();
      }
    } finally {
      clearInterval(pinging);
    }
    api = services.api(api.key);
    const acknowledged = (await Promise.all(outcomes)).filter((each) => each.length === 36);
    expect(acknowledged.length).toBeGreaterThan(150);
    // Refused, turned away or never connected: nobody was cut off in the middle of an answer.
    const others = new Set((await Promise.all(outcomes)).filter((each) => each.length !== 36));
    expect([...others].filter((each) => !['503', 'ECONNREFUSED', 'ECONNRESET'].includes(each))).toEqual([]);
    const stored = await eventually(
      async () => {
        const ids = (await api.pings(id)).map((ping) => ping.id);
        expect(acknowledged.filter((each) => !ids.includes(each))).toEqual([]);
        return ids;
      },
      { withinMs: 20_000 },
    );
    expect(new Set(stored).size).toBe(stored.length);
  });

  it('stop a notifier only when the attempt under way has ended, and tell nothing twice', async () => {
    const name = 'slow receiver';
    receiver.answerWith((request) => (request.body.includes(name) ? { delayMs: 1_500 } : {}));
    const { id, token } = await api.create({ name, interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
    await pings(token);
    await eventually(() => expect(told(name)).toEqual(['heartbeat.down']), { withinMs: 20_000 });
    expect(await services.of('notifier').stop({ withinMs: 10_000 })).toEqual(WELL);
    await (await services.start('notifier')).ready();
    await pings(token);
    await eventually(() => expect(told(name).slice(0, 2)).toEqual(['heartbeat.down', 'heartbeat.recovered']), {
      withinMs: 20_000,
    });
    await api.call('DELETE', `/heartbeats/${id}`);
  });

  it('stop well all at once', async () => {
    const ends = await Promise.all(services.all.map((service) => service.stop({ withinMs: 10_000 })));
    expect(ends).toEqual(SERVICE_NAMES.map(() => WELL));
  });
});

/** The metrics of a service in the table of docs/operations.md. */
function documentedMetrics(name: ServiceName): string[] {
  const page = readFileSync(join(__dirname, '../../../docs/operations.md'), 'utf8');
  const asWritten = name === 'management-api' ? 'management API' : name.replace('-', ' ');
  const table = /<!-- generated: metrics -->(.*?)<!-- end -->/s.exec(page)?.[1] ?? '';
  return table
    .split('\n')
    .filter((line) => line.startsWith('| `flatline_'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells[4] === 'every process' || cells[4]!.split(', ').includes(asWritten))
    .map((cells) => cells[1]!.replaceAll('`', ''));
}
