import { shardOf } from '@flatline/domain';
import { HEARTBEATS_TOPIC, PINGS_TOPIC } from '@flatline/events';
import {
  createTestDatabase,
  eventually,
  Jobs,
  runMigrate,
  ServiceSet,
  startCommand,
  startWebhookReceiver,
} from '@flatline/test-kit';
import type { ApiHeartbeat, ApiSession, ServiceProcess, TestDatabase, WebhookReceiver } from '@flatline/test-kit';
import { Client } from 'pg';
import { appendRecords, cutOff, strayPings } from './cut-log';

const PARTITIONS = 2;
/** Its log is cut off. Everything about the other one goes on. */
const CUT_SHARD = 0;
/** Interval and grace of the heartbeats, and how often a job pings that is well. */
const PERIOD_MS = 4_000;
const PING_EVERY_MS = 400;
/** The cut log does not come up by itself to where its reader was before it was looked at. */
const RECORDS_BEFORE = 500;
const patiently = { withinMs: 30_000 };

/** Each is a process of its own beside a Flatline of four processes that runs on, as an operator has it. */
describe('the commands for an operator', () => {
  let database: TestDatabase;
  let client: Client;
  let people: WebhookReceiver;
  let operator: WebhookReceiver;
  let services: ServiceSet | undefined;
  let api: ApiSession;

  beforeAll(async () => {
    [database, people, operator] = await Promise.all([
      createTestDatabase('commands'),
      startWebhookReceiver(),
      startWebhookReceiver(),
    ]);
    client = new Client({ connectionString: database.url, options: '-c search_path=flatline' });
    await client.connect();
    const env = {
      DATABASE_URL: database.url,
      DEFAULT_ALERT_WEBHOOK_URL: people.url,
      OPERATOR_ALERT_WEBHOOK_URL: operator.url,
      PING_PARTITIONS: String(PARTITIONS),
    };
    const key = await runMigrate(env);
    services = new ServiceSet(env);
    await services.startAll();
    await services.ready();
    api = services.api(key!);
  }, 90_000);
  afterAll(async () => {
    await services?.kill();
    await client?.end();
    await Promise.all([people.stop(), operator.stop()]);
    await database.drop();
  });

  const scheduler = (): ServiceProcess => services!.of('deadline-scheduler');
  async function run(name: 'adopt-log' | 'dead-letters', ...words: string[]): Promise<{ code: unknown; said: string }> {
    const command = startCommand(name, words, { DATABASE_URL: database.url });
    const { code } = await command.end(patiently);
    return { code, said: command.lines.join('\n') };
  }
  async function rows<Row extends object>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return (await client.query<Row>(sql, parameters)).rows;
  }
  /** Waits until the scheduler has read so much of a topic. */
  async function readUpTo(topic: string, partition: number, offset: number): Promise<void> {
    await eventually(async () => {
      const sql = 'SELECT next_offset::int AS position FROM consumer_offset WHERE topic = $1 AND partition = $2';
      const [row] = await rows<{ position: number }>(sql, [topic, partition]);
      expect(row?.position).toBeGreaterThanOrEqual(offset);
    }, patiently);
  }
  async function heartbeatIn(shard: number, name: string): Promise<ApiHeartbeat> {
    const fields = { name, interval_secs: PERIOD_MS / 1_000 - 1, grace_secs: 1, alert_after_misses: 1 };
    const heartbeat = await api.create(fields);
    if (shardOf(heartbeat.id, PARTITIONS) === shard) return heartbeat;
    await api.call('DELETE', `/heartbeats/${heartbeat.id}`);
    return heartbeatIn(shard, name);
  }
  const told = ({ id }: ApiHeartbeat): string[] =>
    people.requests
      .filter(({ body }) => body.includes(id))
      .map(({ body }) => (JSON.parse(body) as { type: string }).type);

  /** Guarded by `Replay` in apps/dead-letters/src/replay.ts, and by what put the records aside. */
  it('list what was put aside, put a ping back once its heartbeat is mended, and discard the rest', async () => {
    const { id, token } = await api.create({ name: 'spoilt', interval_secs: 3_600 });
    const pauseSpans = (spans: string): Promise<unknown> =>
      rows('UPDATE heartbeat SET version = version + 1, pause_spans = $2 WHERE id = $1', [id, spans]);
    await readUpTo(HEARTBEATS_TOPIC, shardOf(id, PARTITIONS), 1);
    await pauseSpans('[{"pausedAt": 1e300, "resumedAt": 1e301}]'); // instants that no column can hold
    const ping = await services!.pinger.ping(token);
    expect(ping.status).toBe(200);
    await appendRecords(database.url, [{ partition: 1, key: 'damage', value: Buffer.from('not an event') }]);
    await eventually(async () => expect(await rows('SELECT 1 FROM dead_letter')).toHaveLength(2), patiently);

    const { said } = await run('dead-letters', 'list');
    const lines = said.split('\n');
    const [ofPing, damage] = [lines.find((line) => line.includes(id)), lines.find((line) => line.includes('damage'))];
    expect(lines).toHaveLength(2);
    expect(ofPing).toMatch(/ flatline\.pings\.v1\/\d@\d+ .* refused by the database \(SQLSTATE 22/);
    expect(damage).toMatch(/ flatline\.pings\.v1\/1@\d+ .* not JSON$/);

    await pauseSpans('[]');
    const letterOf = (line: string): string => line.split(' ')[0]!;
    expect(await run('dead-letters', 'replay', letterOf(ofPing!))).toEqual({ code: 0, said: `replayed ${ofPing}` });
    await eventually(async () => expect(await api.pings(id)).toMatchObject([{ id: ping.json.id }]), patiently);
    expect(await run('dead-letters', 'discard', letterOf(damage!))).toEqual({ code: 0, said: `discarded ${damage}` });
    expect(await run('dead-letters', 'list')).toEqual({ code: 0, said: 'there are no dead letters' });
  });

  /**
   * Guarded by (3) of `adoptLog` in apps/adopt-log/src/adopt.ts: without it, who pinged in time is told "down". That the
   * shard stands by `PartitionWorker.standStill` in libs/event-log/src/partition-worker.ts, and that it goes on standing by
   * `noteCutOff` in libs/persistence/src/consumer-offsets.ts.
   */
  it('let a shard go on whose log was cut off: it stands and says so, and nobody is told "down" falsely', async () => {
    const steady = await heartbeatIn(CUT_SHARD, 'steady');
    const silent = await heartbeatIn(1 - CUT_SHARD, 'silent');
    const job = new Jobs(steady, services!.pinger, { pauseMs: PING_EVERY_MS, count: 1, random: () => 1 });
    try {
      await appendRecords(database.url, strayPings(CUT_SHARD, RECORDS_BEFORE));
      await readUpTo(PINGS_TOPIC, CUT_SHARD, RECORDS_BEFORE);
      await scheduler().process.stop('SIGKILL');
      const pinged = job.acknowledged.length;
      await eventually(() => {
        expect(job.acknowledged.length).toBeGreaterThan(pinged + (1.25 * PERIOD_MS) / PING_EVERY_MS);
      }, patiently);
      await cutOff(client, CUT_SHARD); // and all of those pings are gone
      await services!.start('deadline-scheduler');
      await services!.pinger.ping(silent.token);

      await eventually(
        async () => expect((await scheduler().readiness()).body).toMatch(/lies outside the log/),
        patiently,
      );
      // The log grows past the place that was lost: who went on there would leave out what came first.
      await appendRecords(database.url, strayPings(CUT_SHARD, RECORDS_BEFORE));

      const plan = await run('adopt-log');
      expect(plan).toEqual({ code: 0, said: expect.stringMatching(/partition 0: .* records are gone; .*add --yes/s) });
      expect(plan.said).not.toMatch(/partition 1/);
      const alert = await eventually(
        () => {
          const alerts = operator.requests.map(({ body }) => JSON.parse(body).data as Record<string, string>);
          const found = alerts.find(({ condition }) => condition === 'position_lost');
          expect(found).toBeDefined();
          return found!;
        },
        { withinMs: 40_000 },
      );
      expect(alert['found']).toMatch(/flatline\.pings\.v1, partition 0, lies outside the log/);
      expect(alert['first_step']).toContain('dist/apps/adopt-log/main.js');
      expect(told(steady)).toEqual([]);
      await eventually(() => expect(told(silent)).toEqual(['heartbeat.down']), patiently);

      expect(await run('adopt-log', '--yes')).toEqual({ code: 0, said: expect.stringMatching(/^Done: /m) });
      await scheduler().ready();

      await eventually(async () => {
        const { json } = await api.call('GET', `/heartbeats/${steady.id}/transitions`);
        expect(json.transitions.map(({ kind }: { kind: string }) => kind)).toEqual(['unknown']);
        const metrics = await (await fetch(`${scheduler().baseUrl}/metrics`)).text();
        expect(metrics).toContain('flatline_absences_total{kind="blackout"} 1');
      }, patiently);
      expect(await api.read(steady.id)).toMatchObject({ status: 'active' });
      expect(told(steady)).toEqual([]);
      expect((await api.call('GET', '/blackouts')).json.blackouts).toHaveLength(1);
    } finally {
      await job.stop();
    }
  });
});
