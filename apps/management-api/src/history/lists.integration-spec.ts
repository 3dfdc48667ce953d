import { useTestDatabase } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { TestServer } from '../test-server';

const database = useTestDatabase('management');

describe('lists', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start(database.url);
  });
  afterAll(async () => {
    await server.stop();
  });

  const create = async (body: object = { name: 'nightly backup' }, key?: string) =>
    (await server.call('POST', '/v1/heartbeats', { body, ...(key === undefined ? {} : { key }) })).json;

  it('answers everything without paging, and pages of it with', async () => {
    const { key } = await server.newProject('many');
    await server.dataSource.query(
      `INSERT INTO heartbeat (id, project_id, name, interval_secs, grace_secs, schedule_changed_at, created_at, updated_at)
       SELECT gen_random_uuid(), project_id, 'job ' || n, 60, 0, now(), now() + (n / 7) * interval '1 second', now()
       FROM generate_series(1, 1234) AS n, api_key WHERE prefix = $1`,
      [key.slice(0, 12)],
    );
    const all = (await server.call('GET', '/v1/heartbeats', { key })).json;
    expect(all.heartbeats).toHaveLength(1234);
    expect(all.next_cursor).toBeNull();

    const paged: { id: string }[] = [];
    let next: string | null = '';
    while (next !== null) {
      const query: string = next === '' ? '' : `&cursor=${next}`;
      const { json } = await server.call('GET', `/v1/heartbeats?limit=100${query}`, { key });
      paged.push(...json.heartbeats);
      next = json.next_cursor;
    }
    expect(paged.map((each) => each.id)).toEqual(all.heartbeats.map((each: { id: string }) => each.id));
  });

  it('answers 10,000 heartbeats without holding up other requests', async () => {
    const { key } = await server.newProject('very many');
    await server.dataSource.query(
      `INSERT INTO heartbeat (id, project_id, name, interval_secs, grace_secs, schedule_changed_at, created_at, updated_at)
       SELECT gen_random_uuid(), project_id, 'job ' || n, 60, 0, now(), now() + n * interval '1 ms', now()
       FROM generate_series(1, 10000) AS n, api_key WHERE prefix = $1`,
      [key.slice(0, 12)],
    );
    let answered = 0;
    const list = server.call('GET', '/v1/heartbeats', { key }).then((answer) => {
      expect(answer.json.heartbeats).toHaveLength(10_000);
      return answered;
    });
    for (; answered < 3; answered += 1) expect((await server.call('GET', '/healthz')).status).toBe(200);
    expect(await list).toBe(3);
  });

  it('pages through pings, newest first, also those of one millisecond', async () => {
    const { id } = await create();
    const pings = Array.from({ length: 25 }, (_, n) => ({
      id: uuidv7(),
      at: new Date(1_767_225_600_000 + (n >> 2)),
    }));
    for (const ping of pings) {
      await server.dataSource.query(
        `INSERT INTO ping (heartbeat_id, received_at, id, kind) VALUES ($1, $2, $3, 'success')`,
        [id, ping.at, ping.id],
      );
    }
    const seen: { id: string; heartbeat_id: string; pinged_at: string }[] = [];
    let next: string | null = '';
    while (next !== null) {
      const query: string = next === '' ? '' : `&cursor=${next}`;
      const { json } = await server.call('GET', `/v1/heartbeats/${id}/pings?limit=4${query}`);
      seen.push(...json.pings);
      next = json.next_cursor;
    }
    const expected = [...pings].sort((a, b) => b.at.getTime() - a.at.getTime() || (a.id < b.id ? 1 : -1));
    expect(seen.map((each) => each.id)).toEqual(expected.map((each) => each.id));
    expect(seen[0]).toEqual({
      id: expected[0]!.id,
      heartbeat_id: id,
      pinged_at: '2026-01-01T00:00:00.006Z',
      kind: 'success',
    });
    expect((await server.call('GET', `/v1/heartbeats/${id}/pings`)).json.pings).toHaveLength(25);
  });

  it('pages through incidents, newest first', async () => {
    const { id } = await create();
    const incident = (startedAt: string, endedAt: string | null) =>
      server.dataSource.query(
        `INSERT INTO incident (id, heartbeat_id, project_id, started_at, ended_at, reason, misses, recorded_at)
         SELECT gen_random_uuid(), $1, project_id, $2, $3, 'missed', 2, now() FROM heartbeat WHERE id = $1`,
        [id, startedAt, endedAt],
      );
    await incident('2026-01-01T00:00:00Z', '2026-01-01T01:00:00Z');
    await incident('2026-01-02T00:00:00Z', null);
    const first = (await server.call('GET', `/v1/heartbeats/${id}/incidents?limit=1`)).json;
    expect(first.incidents).toEqual([
      {
        id: expect.any(String),
        started_at: '2026-01-02T00:00:00.000Z',
        ended_at: null,
        reason: 'missed',
        misses: 2,
        raised_in_error: false,
      },
    ]);
    const second = (await server.call('GET', `/v1/heartbeats/${id}/incidents?cursor=${first.next_cursor}`)).json;
    expect(second.incidents).toMatchObject([{ ended_at: '2026-01-01T01:00:00.000Z' }]);
    expect(second.next_cursor).toBeNull();
  });
});
