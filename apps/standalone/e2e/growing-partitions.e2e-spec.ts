import { TOPICS } from '@flatline/events';
import {
  createTestDatabase,
  eventually,
  runMigrate,
  ServiceSet,
  startCommand,
  startService,
  startWebhookReceiver,
} from '@flatline/test-kit';
import type { ApiSession, TestDatabase, WebhookReceiver } from '@flatline/test-kit';
import { Client } from 'pg';

const LEASE_MS = 10_000;
const INTERVAL_MS = 15_000;

/** The first deadline after a ping of whose period we know everything: of a long absence nobody can. */
function firstJudged(pingedAt: number, away: { from: Date; to: Date }): number {
  const isBlackout = away.to.getTime() - away.from.getTime() >= LEASE_MS;
  let periodStartAt = pingedAt;
  while (isBlackout && periodStartAt < away.to.getTime()) periodStartAt += INTERVAL_MS;
  return periodStartAt + INTERVAL_MS;
}

describe('growing the partitions of a running installation', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let key: string;
  let services: ServiceSet | undefined;

  const environment = (partitions: number) => ({
    DATABASE_URL: database.url,
    DEFAULT_ALERT_WEBHOOK_URL: receiver.url,
    PING_PARTITIONS: String(partitions),
  });
  async function startAll(partitions: number): Promise<void> {
    services = new ServiceSet(environment(partitions));
    await services.startAll();
    await services.ready();
  }
  const api = (): ApiSession => services!.api(key);
  const ping = async (token: string): Promise<string> => {
    const { status, json } = await services!.pinger.ping(token);
    expect(status).toBe(200);
    return json.id as string;
  };
  const startGrowing = (partitions: number) =>
    startCommand('grow-partitions', ['--to', String(partitions)], environment(2));
  const grow = async (partitions: number): Promise<{ code: number | null; said: string }> => {
    const command = startGrowing(partitions);
    const { code } = await command.end({ withinMs: 30_000 });
    return { code, said: command.lines.join('\n') };
  };
  async function query<Row extends object>(sql: string): Promise<Row[]> {
    const client = new Client({ connectionString: database.url, options: '-c search_path=flatline' });
    await client.connect();
    const { rows } = await client.query<Row>(sql);
    await client.end();
    return rows;
  }
  /** Kills the command when the new topics are there; it then has three seconds to go, and nothing is committed. */
  const growAndBeKilled = async (partitions: number): Promise<void> => {
    const command = startGrowing(partitions);
    const grown = `SELECT 1 FROM flatline_log.log_topic WHERE name LIKE '%.g2' AND partitions = ${partitions}`;
    await eventually(async () => expect(await query(grown)).toHaveLength(TOPICS.length), { withinMs: 20_000 });
    expect(await command.stop('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
    expect(await query('SELECT 1 FROM heartbeat_runtime WHERE shard >= 2')).toEqual([]);
  };
  const told = (name: string): string[] =>
    receiver.requests
      .filter((request) => request.body.includes(name))
      .map(({ body }) => JSON.parse(body).type as string);

  beforeAll(async () => {
    database = await createTestDatabase('growing');
    receiver = await startWebhookReceiver();
    key = (await runMigrate(environment(2)))!;
    await startAll(2);
  }, 90_000);
  afterAll(async () => {
    await services?.kill();
    await receiver.stop();
    await database.drop();
  });

  it('loses no ping and tells nobody a lie: a deadline on the other side of it alerts once, when it should', async () => {
    const healthy = await Promise.all(
      Array.from({ length: 12 }, (_, n) => api().create({ name: `healthy ${n}`, interval_secs: 3600 })),
    );
    const silent = await api().create({
      name: 'falls silent',
      interval_secs: INTERVAL_MS / 1_000,
      grace_secs: 0,
      alert_after_misses: 1,
    });
    const pinged = new Map<string, string[]>();
    for (const { id, token } of healthy) pinged.set(id, [await ping(token), await ping(token)]);
    await ping(silent.token);
    const [last] = await eventually(async () => {
      const pings = await api().pings(silent.id);
      expect(pings).toHaveLength(1);
      return pings;
    });

    expect(await grow(8)).toEqual({ code: 1, said: expect.stringMatching(/^Nothing was changed: .* stop them first/) });
    await services!.of('ingest').stop();
    await eventually(async () => expect((await api().pings(healthy.at(-1)!.id)).length).toBe(2));
    for (const name of ['management-api', 'deadline-scheduler', 'notifier'] as const) await services!.of(name).stop();
    await growAndBeKilled(8);
    expect(await grow(8)).toEqual({
      code: 0,
      said: expect.stringMatching(/13 heartbeats are spread over 8 partitions/),
    });

    const late = await startService('ingest', environment(2));
    expect(await late.process.end()).toMatchObject({ code: 1 });
    expect(late.process.lines.join('\n')).toMatch(/PING_PARTITIONS is 2.* over 8; set PING_PARTITIONS to that/);

    await startAll(8);
    for (const { id, token } of healthy) pinged.get(id)!.push(await ping(token));
    for (const { id } of healthy) {
      await eventually(async () => {
        const stored = (await api().pings(id)).map((each) => each.id as string);
        expect(stored.sort()).toEqual([...pinged.get(id)!].sort());
      });
    }

    await eventually(() => expect(told('falls silent')).toEqual(['heartbeat.down']), { withinMs: 60_000 });
    const [away] = await query<{ from: Date; to: Date }>(
      'SELECT min(started_at) AS from, max(ended_at) AS to FROM absence',
    );
    const [incident] = await query<{ started_at: Date }>('SELECT started_at FROM incident');
    expect(incident!.started_at.getTime()).toBe(firstJudged(Date.parse(last!.pinged_at), away!));
    expect(await query('SELECT 1 FROM incident')).toHaveLength(1);
    expect(receiver.requests).toHaveLength(1);
  }, 150_000);
});
