import { setTimeout as sleep } from 'node:timers/promises';

import { ADMIN_KEY, ApiSession, eventually, freezeTree, sendRequest, useFlatline } from '@flatline/test-kit';
import type { ApiAnswer } from '@flatline/test-kit';

/** What the product promises is 5 s; machines are noisy. */
const ANSWERED_WITHIN_MS = 7_000;

describe('Flatline while its database', () => {
  const flatline = useFlatline();
  let api: ApiSession;
  beforeAll(() => {
    api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
  });
  const get = (path: string): Promise<ApiAnswer> => sendRequest(flatline.baseUrl, { method: 'GET', path });

  it('is there: is alive, ready, and counts', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect(await get('/readyz')).toMatchObject({ status: 200, json: { status: 'ready' } });
    const { token } = await api.create();
    await api.ping(token);
    const metrics = await get('/metrics');
    expect(metrics.headers['content-type']).toMatch(/^text\/plain/);
    expect(metrics.text).toMatch(/^flatline_pings_accepted_total [1-9]/m);
    expect(metrics.text).toMatch(/watermark/);
    expect(metrics.text).not.toContain(token);
  });

  it('hangs: answers every ping with 503 in time, says what is missing, and then goes on as if nothing had been', async () => {
    const fields = { interval_secs: 2, grace_secs: 2, alert_after_misses: 1 };
    const { id, token } = await api.create(fields);
    await api.ping(token);
    const acknowledged: string[] = [];
    const refused: ApiAnswer[] = [];
    let slowestMs = 0;
    let pinging = true;
    const ping = async (): Promise<void> => {
      const startedAt = performance.now();
      const answer = await api.ping(token);
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      if (answer.status === 200) acknowledged.push(answer.json.id as string);
      else refused.push(answer);
    };
    const job = (async () => {
      while (pinging) await Promise.all([ping(), ping(), sleep(200)]);
    })();

    const postmaster = flatline.postgresPid!;
    const frozen = freezeTree(postmaster);
    try {
      await eventually(() => expect(refused.length).toBeGreaterThan(3), { withinMs: 15_000 });
      const ready = await get('/readyz');
      expect(ready).toMatchObject({ status: 503, json: { error: expect.stringMatching(/^not ready: /) } });
      expect(ready.json.missing).not.toEqual([]);
      expect(await get('/healthz')).toMatchObject({ status: 200 });
      const created = await api.call('POST', '/heartbeats', { name: 'x' });
      expect(created).toMatchObject({ status: 503, json: { error: expect.any(String) } });
    } finally {
      for (const pid of frozen) process.kill(pid, 'SIGCONT');
    }
    await eventually(async () => expect((await get('/readyz')).status).toBe(200), { withinMs: 30_000 });
    const before = acknowledged.length;
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 3));
    pinging = false;
    await job;

    for (const answer of refused) {
      expect(answer).toMatchObject({ status: 503, json: { error: expect.any(String) } });
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    expect(slowestMs).toBeLessThan(ANSWERED_WITHIN_MS);
    const stored = await eventually(async () => {
      const ids = (await api.pings(id)).map((each) => each.id);
      expect(acknowledged.filter((each) => !ids.includes(each))).toEqual([]);
      return ids;
    });
    expect(new Set(stored).size).toBe(stored.length);
    expect(await api.incidents(id)).toEqual([]);
  });

  it('dies again and again: is started each time, by the same process, and loses nothing', async () => {
    // Guarded by `keepRunning` in libs/infrastructure/src/own-postgres.ts: nobody may be there to start Flatline again.
    const { id, token } = await api.create({ interval_secs: 2, grace_secs: 2, alert_after_misses: 1 });
    const acknowledged = [(await api.ping(token)).json.id as string];
    for (let deaths = 0; deaths < 4; deaths += 1) {
      const postmaster = flatline.postgresPid!;
      process.kill(postmaster, 'SIGKILL');
      await eventually(
        async () => {
          const answer = await api.ping(token);
          if (answer.status === 200) acknowledged.push(answer.json.id as string);
          expect(answer.status).toBe(200);
          expect((await get('/readyz')).status).toBe(200);
          expect(flatline.postgresPid).not.toBe(postmaster);
        },
        { withinMs: 20_000, everyMs: 200 },
      );
    }
    await eventually(async () => {
      const ids = (await api.pings(id)).map((each) => each.id);
      expect(ids).toEqual(expect.arrayContaining(acknowledged));
      expect(ids).toHaveLength(new Set(ids).size);
    });
    expect(await api.incidents(id)).toEqual([]);
    expect(flatline.process.ended).toBeNull();
  });
});
