import { useTestDatabase } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { TestServer } from '../test-server';

const database = useTestDatabase('blackouts');

/** The lease is 10 s: what is shorter is no blackout. */
const ABSENCES = [
  [0, '2026-01-01T00:00:00.000Z', '2026-01-01T00:03:00.000Z'],
  [1, '2026-01-01T00:00:00.100Z', '2026-01-01T00:03:00.250Z'],
  [0, '2026-01-02T00:00:00.000Z', '2026-01-02T00:00:09.999Z'],
  [1, '2026-01-03T00:00:00.000Z', '2026-01-03T00:00:10.000Z'],
] as const;

const everywhere = { started_at: '2026-01-01T00:00:00.000Z', ended_at: '2026-01-01T00:03:00.250Z' };
const inShard1 = { started_at: '2026-01-03T00:00:00.000Z', ended_at: '2026-01-03T00:00:10.000Z' };

describe('what people can read about the times in which we were away', () => {
  let server: TestServer;
  let id: string;

  beforeAll(async () => {
    server = await TestServer.start(database.url);
    id = (await server.call('POST', '/v1/heartbeats', { body: { name: 'nightly backup' } })).json.id;
    await server.dataSource.query(
      `INSERT INTO heartbeat_runtime (heartbeat_id, shard, definition_version, schedule_changed_at, status, unknowns)
       VALUES ($1, 0, 1, now(), 'up', 1)`,
      [id],
    );
    for (const absence of ABSENCES)
      await server.dataSource.query('INSERT INTO absence VALUES ($1, $2, $3)', [...absence]);
  });
  afterAll(async () => {
    await server.stop();
  });

  it('is each blackout once, newest first, and whether it was about heartbeats of their project', async () => {
    const { json } = await server.call('GET', '/v1/blackouts');
    expect(json).toEqual({
      blackouts: [
        { ...inShard1, affects_project: false },
        { ...everywhere, affects_project: true },
      ],
      next_cursor: null,
    });
    const { key } = await server.newProject('without heartbeats');
    const ofOthers = (await server.call('GET', '/v1/blackouts', { key })).json.blackouts;
    expect(ofOthers).toEqual([inShard1, everywhere].map((span) => ({ ...span, affects_project: false })));
    expect((await server.call('GET', '/v1/blackouts', { key: null })).status).toBe(401);
  });

  it('comes in pages that cut no blackout in two', async () => {
    const first = (await server.call('GET', '/v1/blackouts?limit=1')).json;
    expect(first.blackouts).toEqual([{ ...inShard1, affects_project: false }]);
    const second = (await server.call('GET', `/v1/blackouts?limit=1&cursor=${first.next_cursor}`)).json;
    expect(second).toEqual({ blackouts: [{ ...everywhere, affects_project: true }], next_cursor: null });
  });

  it('is told of each heartbeat, too: what was missed, what is unknown and why, and what became of it', async () => {
    const incidentId = uuidv7();
    const line = async (kind: string, at: string, more: Record<string, unknown> = {}) =>
      server.dataSource.query(
        `INSERT INTO transition (id, heartbeat_id, kind, occurred_at, incident_id, last_at, misses, blackout_started_at,
           blackout_ended_at, recorded_at)
         VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8, now())`,
        [id, kind, at, more['incidentId'], more['lastAt'], more['misses'], more['from'], more['to']],
      );
    await line('unknown', '2026-01-01T00:01:00Z', { from: everywhere.started_at, to: everywhere.ended_at });
    await line('missed', '2026-01-01T00:05:00Z', { lastAt: '2026-01-01T00:06:00Z', misses: 2 });
    await line('down', '2026-01-01T00:06:00Z', { incidentId });

    const first = (await server.call('GET', `/v1/heartbeats/${id}/transitions?limit=2`)).json;
    const nothing = { incident_id: null, last_at: null, misses: null, blackout: null, id: expect.any(String) };
    expect(first.transitions).toEqual([
      { ...nothing, kind: 'down', occurred_at: '2026-01-01T00:06:00.000Z', incident_id: incidentId },
      {
        ...nothing,
        kind: 'missed',
        occurred_at: '2026-01-01T00:05:00.000Z',
        last_at: '2026-01-01T00:06:00.000Z',
        misses: 2,
      },
    ]);
    const rest = (await server.call('GET', `/v1/heartbeats/${id}/transitions?cursor=${first.next_cursor}`)).json;
    expect(rest).toEqual({
      transitions: [{ ...nothing, kind: 'unknown', occurred_at: '2026-01-01T00:01:00.000Z', blackout: everywhere }],
      next_cursor: null,
    });
    const { key } = await server.newProject('strangers');
    expect((await server.call('GET', `/v1/heartbeats/${id}/transitions`, { key })).status).toBe(404);
    expect((await server.call('GET', `/v1/heartbeats/${id}`)).json).toMatchObject({ consecutive_unknowns: 1 });
  });
});
