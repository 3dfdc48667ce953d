import { eventually, useTestDatabase } from '@flatline/test-kit';
import { verifyPingToken } from '@flatline/domain';
import { eventParser, heartbeatDefined, heartbeatDeleted } from '@flatline/events';
import { TestServer } from '../test-server';

const database = useTestDatabase('management');
const parseEvent = eventParser(heartbeatDefined, heartbeatDeleted);
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('heartbeats', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start(database.url);
  });
  afterAll(async () => {
    await server.stop();
  });

  const create = async (body: object = { name: 'nightly backup' }, key?: string) =>
    (await server.call('POST', '/v1/heartbeats', { body, ...(key === undefined ? {} : { key }) })).json;

  /** Writes what the scheduler would have written. */
  const happened = (heartbeatId: string, row: Record<string, unknown>) => {
    const columns = { shard: 0, definition_version: 1, status: 'up', schedule_changed_at: new Date(0), ...row };
    const names = Object.keys(columns);
    return server.dataSource.query(
      `INSERT INTO heartbeat_runtime (heartbeat_id, ${names.join(', ')})
       VALUES ($1, ${names.map((_name, index) => `$${index + 2}`).join(', ')})`,
      [heartbeatId, ...Object.values(columns)],
    );
  };

  const eventsOf = async (heartbeatId: string) => {
    const rows = await server.dataSource.query<{ topic: string; payload: string }[]>(
      'SELECT topic, payload FROM outbox WHERE key = $1 ORDER BY seq',
      [heartbeatId],
    );
    return rows.map((row) => parseEvent(Buffer.from(row.payload)));
  };

  /** Guarded by `current` in heartbeat-view.ts: without it one row answers 500 for the whole list. */
  it('shows a heartbeat whose schedule cannot be used beside the others, with the reason', async () => {
    const [good, odd, told] = [await create(), await create(), await create()];
    for (const { id } of [good, odd]) await happened(id, { baseline_at: new Date(), next_expected_at: new Date() });
    await happened(told.id, { status: 'new', misfit: 'the scheduler says so' });
    await server.dataSource.query(
      `UPDATE heartbeat SET version = 2, interval_secs = NULL, schedule = '0 0 31 2 *', timezone = 'UTC',
         schedule_changed_at = now() WHERE id = $1`,
      [odd.id],
    );
    const { json } = await server.call('GET', '/v1/heartbeats');
    const reasons = new Map(
      json.heartbeats.map((each: { id: string; misconfigured: string | null }) => [each.id, each.misconfigured]),
    );
    expect(reasons.get(good.id)).toBeNull();
    expect(reasons.get(odd.id)).toMatch(/no match in the future/);
    expect(reasons.get(told.id)).toBe('the scheduler says so');
    expect((await server.call('GET', `/v1/heartbeats/${odd.id}`)).status).toBe(200);
  });

  it('creates one with the defaults of the contract', async () => {
    const answer = await server.call('POST', '/v1/heartbeats', { body: { name: 'nightly backup' } });
    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'nightly backup',
      token: expect.stringMatching(/^[A-Za-z0-9_-]{44}$/),
      ping_url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/v1\/heartbeats\/[A-Za-z0-9_-]{44}\/ping$/),
      interval_secs: 3600,
      schedule: null,
      timezone: null,
      grace_secs: 300,
      alert_after_misses: 2,
      status: 'active',
      misconfigured: null,
      consecutive_misses: 0,
      consecutive_unknowns: 0,
      last_pinged_at: null,
      next_expected_at: null,
      created_at: expect.stringMatching(INSTANT),
      updated_at: expect.stringMatching(INSTANT),
    });
  });

  it('gives a ping URL at the port that is really listened on', async () => {
    const { ping_url: pingUrl, token } = await create();
    expect(pingUrl).toBe(`http://127.0.0.1:${server.port}/v1/heartbeats/${token}/ping`);
  });

  it('gives a token that certifies itself', async () => {
    const { id, token } = await create();
    expect(verifyPingToken(token, server.kernel.config.PING_TOKEN_KEYS!)).toEqual({ heartbeatId: id, generation: 0 });
  });

  it.each([
    { interval_secs: 1, grace_secs: 0, alert_after_misses: 1 },
    { interval_secs: 31_622_400, grace_secs: 31_622_400, alert_after_misses: 100 },
    { name: '😀'.repeat(200) },
    { name: ' Ünï — 日本語 \u200d ' },
  ])('takes %j', async (fields) => {
    const answer = await server.call('POST', '/v1/heartbeats', { body: { name: 'x', ...fields, color: 'ignored' } });
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject(fields);
    expect(answer.json).not.toHaveProperty('color');
    expect((await server.call('GET', `/v1/heartbeats/${answer.json.id}`)).json).toMatchObject(fields);
  });

  it('names every field that is wrong', async () => {
    const answer = await server.call('POST', '/v1/heartbeats', { body: { interval_secs: '3600', grace_secs: null } });
    expect(answer.status).toBe(422);
    expect(answer.json.error).toMatch(/^name must be .*; interval_secs must be .*; grace_secs must be /);
    expect(answer.json.errors.map((each: { field: string }) => each.field)).toEqual([
      'name',
      'interval_secs',
      'grace_secs',
    ]);
  });

  it('changes what is named and leaves the rest', async () => {
    const { id } = await create({ name: 'a', interval_secs: 60, grace_secs: 10 });
    const answer = await server.call('PATCH', `/v1/heartbeats/${id}`, { body: { name: 'b', alert_after_misses: 5 } });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ name: 'b', interval_secs: 60, grace_secs: 10, alert_after_misses: 5 });
  });

  it('tells of each version in an event, and of nothing that changes nothing', async () => {
    const { id } = await create({ name: 'a', interval_secs: 60 });
    await server.call('PATCH', `/v1/heartbeats/${id}`, { body: { name: 'a', interval_secs: 60, status: 'active' } });
    await server.call('PATCH', `/v1/heartbeats/${id}`, { body: {} });
    await server.call('PATCH', `/v1/heartbeats/${id}`, { body: { name: 'b' } });
    await server.call('PATCH', `/v1/heartbeats/${id}`, { body: { interval_secs: 120 } });
    await server.call('DELETE', `/v1/heartbeats/${id}`);
    const events = await eventsOf(id);
    expect(events.map((event) => [event.type, event.data.version])).toEqual([
      ['heartbeat.defined', 1],
      ['heartbeat.defined', 2],
      ['heartbeat.defined', 3],
      ['heartbeat.deleted', 4],
    ]);
    const [first, renamed, rescheduled] = events.filter((event) => event.type === 'heartbeat.defined');
    expect(renamed?.data.scheduleChangedAt).toBe(first!.data.scheduleChangedAt);
    expect(rescheduled?.data.scheduleChangedAt).toBeGreaterThan(first!.data.scheduleChangedAt);
  });

  it.each([
    ['a path each', ['POST', '/pause', undefined], ['POST', '/resume', undefined]],
    ['PATCH of status', ['PATCH', '', { status: 'paused' }], ['PATCH', '', { status: 'active' }]],
  ] as const)('pauses and resumes by %s', async (_dialect, [pauseBy, pausePath, pauseBody], [by, path, body]) => {
    const { id } = await create();
    const heartbeat = `/v1/heartbeats/${id}`;
    for (let twice = 0; twice < 2; twice += 1) {
      const paused = await server.call(pauseBy, heartbeat + pausePath, { body: pauseBody });
      expect([paused.status, paused.json.status]).toEqual([200, 'paused']);
    }
    expect((await server.call('GET', heartbeat)).json).toMatchObject({ status: 'paused', next_expected_at: null });
    const resumed = await server.call(by, heartbeat + path, { body });
    expect([resumed.status, resumed.json.status]).toEqual([200, 'active']);
    expect(await eventsOf(id)).toHaveLength(3);
  });

  it('takes pause and resume with an empty body that is labelled JSON', async () => {
    const { id } = await create();
    const headers = { 'content-type': 'application/json' };
    expect((await server.call('POST', `/v1/heartbeats/${id}/pause`, { headers, body: '' })).status).toBe(200);
    expect((await server.call('POST', `/v1/heartbeats/${id}/resume`, { headers, body: '' })).status).toBe(200);
    expect((await server.call('DELETE', `/v1/heartbeats/${id}`, { headers })).status).toBe(204);
  });

  it('shows what happened, in the words of the contract', async () => {
    const pingedAt = new Date('2026-01-01T00:00:00.123Z');
    const expectedAt = new Date('2026-01-01T03:00:00.123Z');
    const { id } = await create();
    await happened(id, {
      status: 'down',
      misses: 2,
      last_ping_at: pingedAt,
      baseline_at: pingedAt,
      next_expected_at: expectedAt,
      incident_started_at: expectedAt,
      incident_reason: 'missed',
      incident_misses: 2,
    });
    expect((await server.call('GET', `/v1/heartbeats/${id}`)).json).toMatchObject({
      status: 'failing',
      consecutive_misses: 2,
      last_pinged_at: '2026-01-01T00:00:00.123Z',
      next_expected_at: '2026-01-01T03:00:00.123Z',
    });
  });

  it('answers a pause and a resume truly before the scheduler has heard of them', async () => {
    const pingedAt = Date.now() - 10_000;
    const { id } = await create({ name: 'x', interval_secs: 60 });
    await happened(id, {
      status: 'late',
      misses: 1,
      last_ping_at: new Date(pingedAt),
      baseline_at: new Date(pingedAt),
      next_expected_at: new Date(pingedAt + 120_000),
    });
    const before = Date.now();
    const paused = (await server.call('POST', `/v1/heartbeats/${id}/pause`)).json;
    expect(paused).toMatchObject({ status: 'paused', consecutive_misses: 0, next_expected_at: null });
    const resumed = (await server.call('POST', `/v1/heartbeats/${id}/resume`)).json;
    expect(resumed).toMatchObject({ status: 'active', consecutive_misses: 0 });
    expect(Date.parse(resumed.next_expected_at)).toBeGreaterThanOrEqual(before + 60_000);
    const slower = (await server.call('PATCH', `/v1/heartbeats/${id}`, { body: { interval_secs: 600 } })).json;
    expect(Date.parse(slower.next_expected_at)).toBeGreaterThanOrEqual(before + 600_000);
  });

  it('deletes for good', async () => {
    const { id } = await create();
    const answer = await server.call('DELETE', `/v1/heartbeats/${id}`);
    expect([answer.status, answer.text]).toEqual([204, '']);
    for (const [method, path] of [
      ['GET', ''],
      ['PATCH', ''],
      ['DELETE', ''],
      ['POST', '/pause'],
      ['GET', '/pings'],
      ['GET', '/incidents'],
    ] as const) {
      const gone = await server.call(method, `/v1/heartbeats/${id}${path}`, method === 'PATCH' ? { body: {} } : {});
      expect([method + path, gone.status, gone.json.error]).toEqual([method + path, 404, 'not found']);
    }
    const list = (await server.call('GET', '/v1/heartbeats')).json.heartbeats as { id: string }[];
    expect(list.map((each) => each.id)).not.toContain(id);
    const [row] = await server.dataSource.query('SELECT deleted_at FROM heartbeat WHERE id = $1', [id]);
    expect(row.deleted_at).toBeInstanceOf(Date);
  });

  it('keeps changes of one heartbeat in order, however many come at once', async () => {
    const { id } = await create();
    const names = Array.from({ length: 20 }, (_, index) => `name ${index}`);
    const answers = await Promise.all(
      names.map((name) => server.call('PATCH', `/v1/heartbeats/${id}`, { body: { name } })),
    );
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    const events = await eventsOf(id);
    expect(events.map((event) => event.data.version)).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
    const last = events.at(-1)!.data as { name?: string };
    expect((await server.call('GET', `/v1/heartbeats/${id}`)).json.name).toBe(last.name);
  });

  it('waits with the answer until everybody who answers pings has heard of the change', async () => {
    const { id } = await create();
    const startedAt = performance.now();
    await server.call('POST', `/v1/heartbeats/${id}/pause`);
    // Far less than the time after which it would give up waiting: the notice did come back.
    expect(performance.now() - startedAt).toBeLessThan(400);
  });

  it('answers 503 while the database is away, and goes on when it is back', async () => {
    const { id } = await create();
    const admin = server.dataSource;
    await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'flatline'`);
    await eventually(
      async () => {
        const answer = await server.call('GET', `/v1/heartbeats/${id}`);
        expect([200, 503]).toContain(answer.status);
        expect(answer.status).toBe(200);
      },
      { withinMs: 5_000 },
    );
  });
});
