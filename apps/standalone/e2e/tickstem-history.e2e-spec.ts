import { ADMIN_KEY, ApiSession, eventually, useFlatline } from '@flatline/test-kit';

describe('the history of a heartbeat', () => {
  const flatline = useFlatline();
  let api: ApiSession;
  beforeAll(() => {
    api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
  });

  it('gives pings newest first, 50 unless said, and all of them page by page', async () => {
    const { id, token } = await api.create();
    const sent: string[] = [];
    for (let index = 0; index < 120; index += 1) sent.unshift((await api.ping(token)).json.id as string);
    await eventually(async () => expect(await api.pings(id)).toHaveLength(120));

    const page = await api.call('GET', `/heartbeats/${id}/pings`);
    expect(page.json.pings.map((ping: { id: string }) => ping.id)).toEqual(sent.slice(0, 50));
    for (const limit of [1, 7, 100]) {
      const found: string[] = [];
      for (let path = `/heartbeats/${id}/pings?limit=${limit}`; path;) {
        const { json } = await api.call('GET', path);
        expect(json.pings.length).toBeLessThanOrEqual(limit);
        found.push(...json.pings.map((ping: { id: string }) => ping.id));
        path = json.next_cursor ? `/heartbeats/${id}/pings?limit=${limit}&cursor=${json.next_cursor}` : '';
      }
      expect(found).toEqual(sent);
    }
  });

  it('keeps its pages exact while pings come in', async () => {
    const { id, token } = await api.create();
    const sent: string[] = [];
    for (let index = 0; index < 30; index += 1) sent.unshift((await api.ping(token)).json.id as string);
    await eventually(async () => expect(await api.pings(id)).toHaveLength(30));
    const found: string[] = [];
    for (let path = `/heartbeats/${id}/pings?limit=10`; path;) {
      const { json } = await api.call('GET', path);
      found.push(...json.pings.map((ping: { id: string }) => ping.id));
      path = json.next_cursor ? `/heartbeats/${id}/pings?limit=10&cursor=${json.next_cursor}` : '';
      await api.ping(token);
    }
    expect(found).toEqual(sent);
  });

  it.each(['pings', 'incidents'])('refuses pages of %s that make no sense with 422', async (list) => {
    const { id } = await api.create();
    for (const query of ['limit=0', 'limit=101', 'limit=-1', 'limit=ten', 'limit=1.5', 'limit=', 'limit=1e1']) {
      const answer = await api.call('GET', `/heartbeats/${id}/${list}?${query}`);
      expect(answer).toMatchObject({ status: 422, json: { error: expect.stringContaining('limit') } });
    }
    for (const cursor of ['x', '%00', 'eyJhIjoxfQ', 'a'.repeat(1000)]) {
      const answer = await api.call('GET', `/heartbeats/${id}/${list}?cursor=${cursor}`);
      expect(answer).toMatchObject({ status: 422, json: { error: expect.stringContaining('cursor') } });
    }
  });

  it('is empty and well-formed before anything happened', async () => {
    const { id } = await api.create();
    expect((await api.call('GET', `/heartbeats/${id}/pings`)).json).toEqual({ pings: [], next_cursor: null });
    expect((await api.call('GET', `/heartbeats/${id}/incidents`)).json).toEqual({ incidents: [], next_cursor: null });
  });

  it('tells of incidents newest first, page by page, each from when it truly began', async () => {
    const { id, token } = await api.create({ interval_secs: 1, grace_secs: 1, alert_after_misses: 1 });
    for (let round = 1; round <= 3; round += 1) {
      await api.ping(token);
      const lastPing = await eventually(async () => {
        const heartbeat = await api.read(id);
        expect(heartbeat).toMatchObject({ status: 'failing', consecutive_misses: 1 });
        return Date.parse(heartbeat.last_pinged_at!);
      });
      const [newest, ...older] = await api.incidents(id);
      expect(newest).toMatchObject({ ended_at: null, reason: 'missed', misses: 1, raised_in_error: false });
      expect(Date.parse(newest!.started_at)).toBe(lastPing + 2000);
      expect(older).toHaveLength(round - 1);
    }
    await api.ping(token);
    const all = await eventually(async () => {
      const found = await api.incidents(id);
      expect(found.map((incident) => incident.ended_at)).toEqual([0, 0, 0].map(() => expect.any(String)));
      return found;
    });
    expect(all.map(({ started_at: at }) => at)).toEqual(
      all
        .map(({ started_at: at }) => at)
        .toSorted()
        .reverse(),
    );
    const first = (await api.call('GET', `/heartbeats/${id}/incidents?limit=2`)).json;
    const rest = (await api.call('GET', `/heartbeats/${id}/incidents?limit=2&cursor=${first.next_cursor}`)).json;
    expect([...first.incidents, ...rest.incidents]).toEqual(all);
    expect(rest.next_cursor).toBeNull();
  });
});
