import { ADMIN_KEY, ApiSession, eventually, useFlatline } from '@flatline/test-kit';
import type { ApiHeartbeat } from '@flatline/test-kit';

describe('two projects', () => {
  const flatline = useFlatline();
  let alice: ApiSession;
  let charlie: ApiSession;
  let hers: ApiHeartbeat;

  beforeAll(async () => {
    alice = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    charlie = await alice.createProject('Charlie’s');
    hers = await alice.create({ name: 'alice alone knows' });
    await alice.ping(hers.token);
    await alice.call('POST', '/channels', {
      kind: 'webhook',
      name: 'alice’s hook',
      settings: { url: 'http://127.0.0.1:9/alice' },
    });
  });

  it('see nothing of one another', async () => {
    expect((await charlie.call('GET', '/heartbeats')).json.heartbeats).toEqual([]);
    expect((await charlie.call('GET', '/channels')).json.channels).toEqual([]);
    const his = await charlie.create();
    expect((await charlie.call('GET', '/heartbeats')).json.heartbeats).toEqual([his]);
    expect((await alice.call('GET', '/heartbeats')).text).not.toContain(his.id);
  });

  it.each([
    ['GET', '', undefined],
    ['PATCH', '', { name: 'taken over' }],
    ['POST', '/pause', undefined],
    ['POST', '/resume', undefined],
    ['GET', '/pings?limit=50', undefined],
    ['GET', '/incidents', undefined],
    ['DELETE', '', undefined],
  ])('answer 404 to %s …%s of the other’s heartbeat, and nothing happens to it', async (method, path, body) => {
    const before = await alice.read(hers.id);
    const answer = await charlie.call(method, `/heartbeats/${hers.id}${path}`, body);
    expect(answer).toMatchObject({ status: 404, json: { error: 'not found' } });
    expect(answer.text).not.toContain('alice');
    expect(await alice.read(hers.id)).toEqual({ ...before, ...pingFields(await alice.read(hers.id)) });
  });

  it('cannot page with the other’s cursor', async () => {
    await alice.ping(hers.token);
    await eventually(async () => expect(await alice.pings(hers.id)).toHaveLength(2));
    const page = await alice.call('GET', `/heartbeats/${hers.id}/pings?limit=1`);
    const his = await charlie.create();
    const cursor = page.json.next_cursor as string;
    expect((await charlie.call('GET', `/heartbeats/${his.id}/pings?cursor=${cursor}`)).json.pings).toEqual([]);
    expect((await charlie.call('GET', `/heartbeats?cursor=${cursor}`)).text).not.toContain('alice');
  });

  it('cannot delete the other’s channels', async () => {
    const { channels } = (await alice.call('GET', '/channels')).json as { channels: { id: string; name: string }[] };
    const channel = channels.find(({ name }) => name === 'alice’s hook');
    expect((await charlie.call('DELETE', `/channels/${channel!.id}`)).status).toBe(404);
    expect((await alice.call('GET', '/channels')).json.channels).toEqual(channels);
    expect((await alice.call('DELETE', `/channels/${channel!.id}`)).status).toBe(204);
  });

  it('are made by the administrator of the instance alone', async () => {
    expect(await charlie.call('POST', '/projects', { name: 'one more' })).toMatchObject({ status: 403 });
    expect(await new ApiSession(flatline.baseUrl, 'nobody').call('POST', '/projects', { name: 'x' })).toMatchObject({
      status: 401,
    });
    const answer = await alice.call('POST', '/projects', { name: 'a third' });
    expect(answer.json).toEqual({ id: expect.any(String), name: 'a third', api_key: expect.any(String) });
  });
});

/** What the ping of the preparation changes whenever it is applied. */
function pingFields({ last_pinged_at, next_expected_at }: ApiHeartbeat): Partial<ApiHeartbeat> {
  return { last_pinged_at, next_expected_at };
}
