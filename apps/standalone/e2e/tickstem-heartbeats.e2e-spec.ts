import { ADMIN_KEY, ApiSession, sendRequest, useFlatline } from '@flatline/test-kit';

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const DAY_SECS = 86_400;

describe('heartbeats, by the Tickstem contract', () => {
  const flatline = useFlatline();
  let api: ApiSession;
  beforeAll(() => {
    api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
  });

  it('are created with 201, the defaults of the contract and every field of the object', async () => {
    const answer = await api.call('POST', '/heartbeats', { name: 'Nächtliche Sicherung 🗄️' });
    expect(answer.status).toBe(201);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.json).toMatchObject({
      id: expect.any(String),
      name: 'Nächtliche Sicherung 🗄️',
      token: expect.any(String),
      interval_secs: 3600,
      schedule: null,
      timezone: null,
      grace_secs: 300,
      alert_after_misses: 2,
      status: 'active',
      misconfigured: null,
      consecutive_misses: 0,
      last_pinged_at: null,
      next_expected_at: null,
      created_at: expect.stringMatching(RFC3339),
      updated_at: expect.stringMatching(RFC3339),
    });
    expect(answer.json.token).not.toBe(answer.json.id);
  });

  it.each([
    ['the shortest', { interval_secs: 1, grace_secs: 0, alert_after_misses: 1 }],
    ['a week', { interval_secs: 604_800, grace_secs: DAY_SECS }],
    ['the longest', { interval_secs: 366 * DAY_SECS, grace_secs: 366 * DAY_SECS, alert_after_misses: 100 }],
    ['a whole number written with a fraction of nought', { interval_secs: 60.0 }],
  ])('take %s', async (_what, fields) => {
    expect(await api.create(fields)).toMatchObject(fields);
  });

  it.each([
    ['no name', {}, 'name'],
    ['an empty name', { name: '' }, 'name'],
    ['a name of 201 characters', { name: 'x'.repeat(201) }, 'name'],
    ['a name with a line break', { name: 'a\nb' }, 'name'],
    ['a name that is a number', { name: 7 }, 'name'],
    ['an interval of nothing', { name: 'x', interval_secs: 0 }, 'interval_secs'],
    ['an interval over 366 days', { name: 'x', interval_secs: 366 * DAY_SECS + 1 }, 'interval_secs'],
    ['an interval as text', { name: 'x', interval_secs: '3600' }, 'interval_secs'],
    ['half an interval', { name: 'x', interval_secs: 1.5 }, 'interval_secs'],
    ['an interval of true', { name: 'x', interval_secs: true }, 'interval_secs'],
    ['an interval of null', { name: 'x', interval_secs: null }, 'interval_secs'],
    ['a negative grace', { name: 'x', grace_secs: -1 }, 'grace_secs'],
    ['a grace over 366 days', { name: 'x', grace_secs: 366 * DAY_SECS + 1 }, 'grace_secs'],
    ['an alert after 0 misses', { name: 'x', alert_after_misses: 0 }, 'alert_after_misses'],
    ['an alert after 101 misses', { name: 'x', alert_after_misses: 101 }, 'alert_after_misses'],
  ])('refuse %s with 422 that names the field', async (_what, body, field) => {
    const answer = await api.call('POST', '/heartbeats', body);
    expect(answer.status).toBe(422);
    expect(answer.json.error).toContain(field);
    expect(answer.json.errors).toEqual([{ field, message: expect.any(String) }]);
  });

  it('count a name in characters as people do, and ignore fields they do not know', async () => {
    const name = '🫀'.repeat(200);
    expect(await api.create({ name, colour: 'red' })).toMatchObject({ name });
  });

  it('are listed all at once, in the order they were made, and read one by one', async () => {
    const other = await api.createProject('a list of its own');
    const made = [];
    for (const name of ['one', 'two', 'three']) made.push(await other.create({ name }));
    const list = await other.call('GET', '/heartbeats');
    expect(list.status).toBe(200);
    expect(list.json.heartbeats).toEqual(made);
    expect(await other.read(made[1]!.id)).toEqual(made[1]);
  });

  it('answer a list of many at once when no page is asked for, and in pages when one is', async () => {
    const other = await api.createProject('many');
    const made = await Promise.all(Array.from({ length: 120 }, (_, index) => other.create({ name: `job ${index}` })));
    const ids = made.map(({ id }) => id).sort();
    const all = await other.call('GET', '/heartbeats');
    expect(all.json.heartbeats.map(({ id }: { id: string }) => id).sort()).toEqual(ids);

    const paged: string[] = [];
    let path = '/heartbeats?limit=50';
    for (let page = 0; page < 3; page += 1) {
      const answer = await other.call('GET', path);
      paged.push(...answer.json.heartbeats.map(({ id }: { id: string }) => id));
      path = `/heartbeats?limit=50&cursor=${answer.json.next_cursor}`;
    }
    expect(path).toContain('cursor=null');
    expect(paged.sort()).toEqual(ids);
  });

  it('are changed field by field', async () => {
    const { id } = await api.create({ name: 'before', interval_secs: 60, grace_secs: 7 });
    const change = { name: 'after', interval_secs: 120, alert_after_misses: 5 };
    const answer = await api.call('PATCH', `/heartbeats/${id}`, change);
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ id, ...change, grace_secs: 7, status: 'active' });
    expect(await api.read(id)).toEqual(answer.json);
  });

  it('keep their token through every change', async () => {
    const { id, token } = await api.create();
    await api.call('PATCH', `/heartbeats/${id}`, { name: 'renamed' });
    await api.call('POST', `/heartbeats/${id}/pause`);
    expect((await api.call('POST', `/heartbeats/${id}/resume`)).json.token).toBe(token);
  });

  it.each([
    ['an unknown status', { status: 'failing' }, 'status'],
    ['a null name', { name: null }, 'name'],
    ['a grace of the wrong type', { grace_secs: '0' }, 'grace_secs'],
  ])('refuse a change to %s with 422', async (_what, body, field) => {
    const { id } = await api.create();
    const answer = await api.call('PATCH', `/heartbeats/${id}`, body);
    expect(answer.status).toBe(422);
    expect(answer.json.error).toContain(field);
  });

  it('are deleted with 204 and an empty body, and are then unknown to every route', async () => {
    const { id, token } = await api.create();
    expect((await api.ping(token)).status).toBe(200);
    const deleted = await api.call('DELETE', `/heartbeats/${id}`);
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    const after = await Promise.all([
      api.ping(token),
      api.call('GET', `/heartbeats/${id}`),
      api.call('PATCH', `/heartbeats/${id}`, { name: 'x' }),
      api.call('POST', `/heartbeats/${id}/pause`),
      api.call('POST', `/heartbeats/${id}/resume`),
      api.call('GET', `/heartbeats/${id}/pings?limit=50`),
      api.call('GET', `/heartbeats/${id}/incidents`),
      api.call('DELETE', `/heartbeats/${id}`),
    ]);
    for (const answer of after) {
      expect(answer.status).toBe(404);
      expect(answer.json).toMatchObject({ error: 'not found' });
    }
    const list = await api.call('GET', '/heartbeats');
    expect(list.json.heartbeats.map((each: { id: string }) => each.id)).not.toContain(id);
  });

  it('say 401 without a key, with a broken one and with an unknown one, in the contract’s words', async () => {
    const get = (authorization?: string) =>
      sendRequest(flatline.baseUrl, {
        method: 'GET',
        path: '/v1/heartbeats',
        headers: authorization === undefined ? {} : { authorization },
      });
    expect(await get()).toMatchObject({ status: 401, json: { error: 'missing authorization' } });
    for (const wrong of ['Bearer', 'Bearer ', 'Basic YTpi', 'Bearer tsk_live_unknown', `Bearer ${ADMIN_KEY}x`]) {
      expect(await get(wrong)).toMatchObject({ status: 401, json: { error: expect.any(String) } });
    }
  });

  it('say 400 to a body that is no JSON', async () => {
    for (const body of ['{"name":', 'name=x', '{"name":"x"} trailing', '\u0000']) {
      const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' };
      const answer = await sendRequest(flatline.baseUrl, { method: 'POST', path: '/v1/heartbeats', headers, body });
      expect(answer).toMatchObject({ status: 400, json: { error: 'invalid JSON' } });
    }
  });
});
