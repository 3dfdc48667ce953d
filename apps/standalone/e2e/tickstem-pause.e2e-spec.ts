import { ADMIN_KEY, ApiSession, eventually, useFlatline } from '@flatline/test-kit';
import type { ApiAnswer } from '@flatline/test-kit';

const flatline = useFlatline();

describe.each([
  [
    'POST',
    (api: ApiSession, id: string, on: boolean) => api.call('POST', `/heartbeats/${id}/${on ? 'pause' : 'resume'}`),
  ],
  [
    'PATCH',
    (api: ApiSession, id: string, on: boolean) =>
      api.call('PATCH', `/heartbeats/${id}`, { status: on ? 'paused' : 'active' }),
  ],
] as const)(
  'a pause by %s',
  (_dialect, setPaused: (api: ApiSession, id: string, on: boolean) => Promise<ApiAnswer>) => {
    let api: ApiSession;
    beforeAll(() => {
      api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    });

    it('holds for the very next ping, and so does its end', async () => {
      const { id, token } = await api.create();
      for (let round = 0; round < 10; round += 1) {
        expect(await setPaused(api, id, true)).toMatchObject({ status: 200, json: { status: 'paused' } });
        expect(await api.ping(token)).toMatchObject({ status: 200, json: { status: 'paused' } });
        expect(await setPaused(api, id, false)).toMatchObject({ status: 200, json: { status: 'active' } });
        expect(await api.ping(token)).toMatchObject({ status: 200, json: { status: 'ok' } });
      }
      await eventually(async () => {
        expect(await api.pings(id)).toHaveLength(20);
      });
    });

    it('said twice is said once', async () => {
      const { id } = await api.create();
      const first = await setPaused(api, id, true);
      expect(await setPaused(api, id, true)).toMatchObject({ status: 200, json: first.json });
      const resumed = await setPaused(api, id, false);
      expect(await setPaused(api, id, false)).toMatchObject({ status: 200, json: resumed.json });
    });

    it('counts no miss, expects nothing, and a resume gives a whole interval', async () => {
      const { id, token } = await api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
      await api.ping(token);
      expect((await setPaused(api, id, true)).json.next_expected_at).toBeNull();
      const kept = await api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
      await api.ping(kept.token);
      // The other one goes down meanwhile: deadlines are being judged.
      await eventually(async () => expect(await api.read(kept.id)).toMatchObject({ status: 'failing' }));
      expect(await api.read(id)).toMatchObject({ status: 'paused', consecutive_misses: 0, next_expected_at: null });

      await api.call('PATCH', `/heartbeats/${id}`, { interval_secs: 3600 });
      const before = Date.now();
      await setPaused(api, id, false);
      // Also when the ping was applied only after the pause had begun.
      await eventually(async () => {
        const { next_expected_at: expected } = await api.read(id);
        expect(Date.parse(expected!) - before).toBeGreaterThan(3_590_000);
      });
      expect(await api.incidents(id)).toEqual([]);
    });

    it('of one that is failing ends its incident', async () => {
      const { id, token } = await api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
      await api.ping(token);
      await eventually(async () =>
        expect(await api.read(id)).toMatchObject({ status: 'failing', consecutive_misses: 1 }),
      );
      expect((await setPaused(api, id, true)).json).toMatchObject({ status: 'paused', consecutive_misses: 0 });
      await eventually(async () => {
        expect(await api.incidents(id)).toMatchObject([{ ended_at: expect.any(String), raised_in_error: false }]);
      });
    });
  },
);
