import { Readable } from 'node:stream';

import { ADMIN_KEY, ApiSession, eventually, sendRequest, useFlatline } from '@flatline/test-kit';
import type { ApiAnswer, ApiRequest } from '@flatline/test-kit';

describe('a ping, by the Tickstem contract', () => {
  const flatline = useFlatline();
  let api: ApiSession;
  beforeAll(() => {
    api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
  });

  const send = (request: Partial<ApiRequest> & { token: string; suffix?: string }): Promise<ApiAnswer> => {
    const { token, suffix = '', ...rest } = request;
    return sendRequest(flatline.baseUrl, { method: 'POST', path: `/v1/heartbeats/${token}/ping${suffix}`, ...rest });
  };

  it('is answered with ok and the id it has in the history and in the header', async () => {
    const { id, token } = await api.create();
    const answer = await send({ token });
    expect(answer).toMatchObject({ status: 200, json: { status: 'ok', id: expect.any(String) } });
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.headers['ping-id']).toBe(answer.json.id);
    const pings = await eventually(async () => {
      const found = await api.pings(id);
      expect(found).toHaveLength(1);
      return found;
    });
    expect(pings).toEqual([
      expect.objectContaining({ id: answer.json.id, heartbeat_id: id, pinged_at: expect.stringMatching(/Z$/) }),
    ]);
  });

  it('counts in the millisecond after the heartbeat was created', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { token } = await api.create();
      expect((await send({ token })).json.status).toBe('ok');
    }
  });

  it('sets when it came and when the next is expected', async () => {
    const { id, token } = await api.create({ interval_secs: 600 });
    await send({ token });
    const read = await eventually(async () => {
      const heartbeat = await api.read(id);
      expect(heartbeat.last_pinged_at).not.toBeNull();
      return heartbeat;
    });
    expect(Date.parse(read.next_expected_at!) - Date.parse(read.last_pinged_at!)).toBe(600_000);
  });

  it.each(['GET', 'HEAD', 'POST'])('may come by %s, with a slash at the end or two in between', async (method) => {
    const { id, token } = await api.create();
    const path = `/v1//heartbeats/${token}/ping`;
    const answers = [
      await send({ token, method }),
      await send({ token, method, suffix: '/' }),
      await send({ token, method, suffix: '?from=cron&x=%00' }),
      await send({ token, method, path }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const ids = answers.map(({ headers }) => headers['ping-id']);
    if (method === 'HEAD') expect(answers.map(({ text }) => text)).toEqual(['', '', '', '']);
    await eventually(async () => {
      expect((await api.pings(id)).map((ping) => ping.id)).toEqual(ids.toReversed());
    });
  });

  it.each<[string, Partial<ApiRequest>]>([
    ['text', { headers: { 'content-type': 'text/plain' }, body: 'backup of 3 GB done' }],
    ['a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'a=1&b=%zz' }],
    ['JSON', { headers: { 'content-type': 'application/json' }, body: '{"a":1}' }],
    ['broken JSON labelled JSON', { headers: { 'content-type': 'application/json' }, body: '{"a":' }],
    ['nothing labelled JSON', { headers: { 'content-type': 'application/json' } }],
    ['no content type', { body: 'no label' }],
    ['an absurd content type', { headers: { 'content-type': ';;;///' }, body: 'x' }],
    ['a multipart form without parts', { headers: { 'content-type': 'multipart/form-data' }, body: 'x' }],
    ['a megabyte of bytes', { body: Buffer.alloc(1_000_000, 0xff) }],
    ['NUL bytes', { body: Buffer.alloc(100) }],
    ['a body in chunks', { body: Readable.from(['one ', 'two ', 'three']) }],
    ['a megabyte in chunks', { body: Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(10_000, 1))) }],
    ['a body by GET', { method: 'GET', headers: { 'content-type': 'text/plain', 'content-length': '1' }, body: 'x' }],
    ['Expect: 100-continue', { headers: { expect: '100-continue' }, body: 'x' }],
    ['a key that is not needed', { headers: { authorization: 'Bearer nonsense' } }],
  ])('is taken with %s', async (_what, request) => {
    const { id, token } = await api.create();
    const answer = await send({ token, ...request });
    expect(answer).toMatchObject({ status: 200, json: { status: 'ok' } });
    await eventually(async () => {
      expect((await api.pings(id)).map((ping) => ping.id)).toEqual([answer.json.id]);
    });
  });

  it.each(['PUT', 'PATCH', 'DELETE'])(
    'by %s is refused with 405, not stored and no reason to delete',
    async (method) => {
      const { id, token } = await api.create();
      const answer = await send({ token, method, body: 'backup done: {' });
      expect(answer).toMatchObject({ status: 405, json: { error: 'method not allowed' } });
      expect(answer.headers['allow']).toMatch(/GET.*HEAD.*POST/);
      const counted = await send({ token });
      await eventually(async () => {
        expect((await api.pings(id)).map((ping) => ping.id)).toEqual([counted.json.id]);
      });
    },
  );

  it('with a token that is forged, cut, an id or somebody’s idea is not found', async () => {
    const { id, token } = await api.create();
    const last = token.at(-1)!;
    const forged = token.slice(0, -1) + (last === 'A' ? 'B' : 'A');
    const flipped = (token.startsWith('A') ? 'B' : 'A') + token.slice(1);
    const wrong = [
      forged,
      flipped,
      token.slice(0, -1),
      `${token}A`,
      token.toLowerCase(),
      id,
      'x',
      '%00',
      'a'.repeat(199),
    ];
    for (const each of wrong) {
      expect(await send({ token: each })).toMatchObject({ status: 404, json: { error: 'not found' } });
    }
    expect(await api.pings(id)).toEqual([]);
  });

  it('of a heartbeat is no way into its management, nor is its id a way to ping', async () => {
    const { id, token } = await api.create();
    expect(await api.call('GET', `/heartbeats/${token}`)).toMatchObject({ status: 404, json: { error: 'not found' } });
    expect((await api.call('GET', `/heartbeats/${token}/pings`)).status).toBe(404);
    expect((await api.call('POST', `/heartbeats/${token}/pause`)).status).toBe(404);
    expect((await api.call('DELETE', `/heartbeats/${token}`)).status).toBe(404);
    expect((await api.call('POST', `/heartbeats/${id}/ping`)).status).toBe(404);
    expect((await sendRequest(flatline.baseUrl, { method: 'GET', path: `/v1/heartbeats/${id}/pings` })).status).toBe(
      401,
    );
  });

  it('keeps one connection for many', async () => {
    const { id, token } = await api.create();
    const sent = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const response = await fetch(`${flatline.baseUrl}/v1/heartbeats/${token}/ping`, { method: 'POST' });
        return ((await response.json()) as { id: string }).id;
      }),
    );
    await eventually(async () => {
      expect((await api.pings(id)).map((ping) => ping.id).sort()).toEqual(sent.sort());
    });
  });
});
