import { eventParser, heartbeatDefined } from '@flatline/events';
import { useTestDatabase } from '@flatline/test-kit';
import { TestServer } from '../test-server';

const database = useTestDatabase('cron');
const parseEvent = eventParser(heartbeatDefined);
const DAILY = { schedule: '30 2 * * *', timezone: 'Europe/Berlin' };

describe('heartbeats with a cron expression', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start(database.url);
  });
  afterAll(async () => {
    await server.stop();
  });

  const post = (body: object) => server.call('POST', '/v1/heartbeats', { body: { name: 'nightly', ...body } });
  const create = async (body: object) => (await post(body)).json;
  const patch = (id: string, body: object) => server.call('PATCH', `/v1/heartbeats/${id}`, { body });
  const fieldsOf = (answer: { json: { errors: { field: string }[] } }) => answer.json.errors.map(({ field }) => field);

  /** Writes what the scheduler would have written after a ping. */
  const pinged = (heartbeatId: string, at: Date, nextExpectedAt: Date) =>
    server.dataSource.query(
      `INSERT INTO heartbeat_runtime (heartbeat_id, shard, definition_version, status, schedule_changed_at, last_ping_at,
                                      baseline_at, next_expected_at)
       VALUES ($1, 0, 1, 'up', (SELECT schedule_changed_at FROM heartbeat WHERE id = $1), $2, $2, $3)`,
      [heartbeatId, at, nextExpectedAt],
    );

  it('keeps the expression and the zone, and says about how often', async () => {
    const answer = await post(DAILY);
    expect(answer.status).toBe(201);
    const expected = { ...DAILY, interval_secs: 86_400, next_expected_at: null, status: 'active' };
    expect(answer.json).toMatchObject(expected);
    expect((await server.call('GET', `/v1/heartbeats/${answer.json.id}`)).json).toMatchObject(expected);
    expect((await server.call('GET', '/v1/heartbeats')).json.heartbeats).toContainEqual(answer.json);
  });

  it('tells of it in an event', async () => {
    const { id } = await create(DAILY);
    const [row] = await server.dataSource.query('SELECT payload FROM outbox WHERE key = $1', [id]);
    expect(parseEvent(Buffer.from(row.payload)).data).toMatchObject({
      schedule: { kind: 'cron', expression: DAILY.schedule, timezone: DAILY.timezone },
    });
  });

  it.each([
    [{ schedule: '*/15 9-17 * * MON-FRI' }, { schedule: '*/15 9-17 * * MON-FRI', timezone: 'UTC', interval_secs: 900 }],
    [{ schedule: ' 0\t3  * * 7 ' }, { schedule: '0 3 * * 7', interval_secs: 604_800 }],
    [{ schedule: '0 0 29 2 *' }, { schedule: '0 0 29 2 *', interval_secs: 126_230_400 }],
    [
      { schedule: '@hourly', timezone: 'asia/tokyo' },
      { schedule: '@hourly', timezone: 'Asia/Tokyo', interval_secs: 3_600 },
    ],
    [{ schedule: '0 0 * * *', timezone: 'Asia/Kolkata' }, { timezone: 'Asia/Kolkata' }],
  ])('takes %j', async (fields, expected) => {
    const answer = await post(fields);
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject(expected);
  });

  it('an interval has neither', async () => {
    expect(await create({ interval_secs: 60 })).toMatchObject({ interval_secs: 60, schedule: null, timezone: null });
  });

  it.each([
    [{ schedule: '30 2 * *' }, ['schedule'], /five fields/],
    [{ schedule: '0 30 2 * * *' }, ['schedule'], /five fields/],
    [{ schedule: '30 25 * * *' }, ['schedule'], /must have a valid hour/],
    [{ schedule: '@reboot' }, ['schedule'], /@daily/],
    [{ schedule: '0 0 31 2 *' }, ['schedule'], /must match some time/],
    [{ schedule: '0 0 30 2 *' }, ['schedule'], /must match some time/],
    [{ schedule: '*/15 2 * 3 SUN#2', timezone: 'America/New_York' }, ['schedule'], /must match some time/],
    [{ schedule: 5 }, ['schedule'], /must be a cron expression/],
    [{ schedule: null }, ['schedule'], /must be a cron expression/],
    [{ schedule: `0 0 ${'1,'.repeat(100)}1 * *` }, ['schedule'], /200 characters/],
    [{ schedule: '0 0 * * *', timezone: 'Europe/Atlantis' }, ['timezone'], /name of a time zone/],
    [{ schedule: '0 0 * * *', timezone: '+02:00' }, ['timezone'], /name of a time zone/],
    [{ schedule: '0 0 * * *', timezone: 7 }, ['timezone'], /name of a time zone/],
    [{ timezone: 'UTC' }, ['timezone'], /needs a schedule/],
    [{ ...DAILY, interval_secs: 60 }, ['interval_secs', 'schedule', 'timezone'], /cannot be given together/],
    [
      { name: '', schedule: '0 0 31 2 *', timezone: 'nowhere', interval_secs: 0 },
      ['name', 'interval_secs', 'schedule', 'timezone'],
      /^name must be .*; interval_secs must be .*; schedule must match .*; timezone must be /,
    ],
  ])('refuses %j and names what is wrong', async (fields, wrong, message) => {
    const answer = await post(fields);
    expect(answer.status).toBe(422);
    expect(fieldsOf(answer)).toEqual(wrong);
    expect(answer.json.error).toMatch(message);
  });

  it('turns an interval into an expression and back', async () => {
    const { id } = await create({ interval_secs: 60 });
    expect((await patch(id, { schedule: '0 4 * * *' })).json).toMatchObject({ schedule: '0 4 * * *', timezone: 'UTC' });
    expect((await patch(id, { timezone: 'Europe/Paris' })).json).toMatchObject({ timezone: 'Europe/Paris' });
    const later = await patch(id, { schedule: '0 5 * * *' });
    expect(later.json).toMatchObject({ schedule: '0 5 * * *', timezone: 'Europe/Paris' });
    const back = await patch(id, { interval_secs: 120 });
    expect(back.json).toMatchObject({ interval_secs: 120, schedule: null, timezone: null });
  });

  it('refuses a change to what cannot be', async () => {
    const interval = await create({ interval_secs: 60 });
    const cron = await create({ schedule: '*/15 2 * 3 SUN#2' });
    for (const [id, change, field] of [
      [interval.id, { timezone: 'Europe/Paris' }, 'timezone'],
      [interval.id, { schedule: '0 0 31 2 *' }, 'schedule'],
      [cron.id, { timezone: 'America/New_York' }, 'schedule'],
    ] as const) {
      const answer = await patch(id, change);
      expect([answer.status, fieldsOf(answer)]).toEqual([422, [field]]);
    }
    const both = await patch(cron.id, { schedule: '0 0 * * *', interval_secs: 60 });
    expect([both.status, fieldsOf(both)]).toEqual([422, ['interval_secs', 'schedule']]);
    expect((await server.call('GET', `/v1/heartbeats/${cron.id}`)).json).toEqual(cron);
  });

  it('expects the next match, also after a resume and a change of zone', async () => {
    const { id } = await create({ schedule: '0 12 * * *' });
    const now = Date.now();
    await pinged(id, new Date(now), new Date(now + 1_000));
    const nextNoon = (hourInUtc: number): string => {
      const noon = new Date(now).setUTCHours(hourInUtc, 0, 0, 0);
      return new Date(noon > Date.now() ? noon : noon + 86_400_000).toISOString();
    };
    expect((await server.call('POST', `/v1/heartbeats/${id}/pause`)).json.next_expected_at).toBeNull();
    const resumed = (await server.call('POST', `/v1/heartbeats/${id}/resume`)).json;
    expect(resumed.next_expected_at).toBe(nextNoon(12));
    const inTokyo = (await patch(id, { timezone: 'Asia/Tokyo' })).json;
    expect(inTokyo.next_expected_at).toBe(nextNoon(3));
  });

  it('with an expression that never matches, forced into the database, is shown and can be mended', async () => {
    const { id } = await create(DAILY);
    const now = new Date();
    await pinged(id, now, now);
    await server.dataSource.query(
      `UPDATE heartbeat SET schedule = '0 0 31 2 *', version = version + 1, schedule_changed_at = now() WHERE id = $1`,
      [id],
    );
    const shown = await server.call('GET', `/v1/heartbeats/${id}`);
    expect(shown.json).toMatchObject({ interval_secs: 0, next_expected_at: null, misconfigured: expect.any(String) });
    expect((await server.call('GET', '/v1/heartbeats')).status).toBe(200);
    expect((await patch(id, { name: 'still there' })).status).toBe(200);
    const mended = await patch(id, { schedule: '0 0 * * *' });
    expect(mended.json.next_expected_at).toMatch(/T2[23]:00:00/);
  });
});
