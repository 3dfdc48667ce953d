import { readdirSync, readlinkSync } from 'node:fs';

import {
  ADMIN_KEY,
  ApiSession,
  createDataDir,
  eventually,
  isRunning,
  removeDataDir,
  startFlatline,
} from '@flatline/test-kit';

const KEY = /flk_[A-Za-z0-9_-]{40,}/;

describe('a Flatline of its own', () => {
  const dataDir = createDataDir();
  afterAll(() => removeDataDir(dataDir));

  it('stops on SIGTERM with 0 and leaves nothing running, and a second start finds the data and shows no key', async () => {
    const first = await startFlatline({ dataDir, env: { FLATLINE_BOOTSTRAP_API_KEY: '' } });
    await first.ready();
    const key = KEY.exec(await first.process.line(KEY))![0];
    for (const said of [`Base URL   ${first.baseUrl}/v1`, key, 'curl', '/heartbeats/$TOKEN/ping']) {
      expect(first.process.lines.join('\n')).toContain(said);
    }
    const api = new ApiSession(first.baseUrl, key);
    const heartbeat = await api.create({ name: 'outlives a restart', interval_secs: 3600 });
    const { json: ping } = await api.ping(heartbeat.token);
    await eventually(async () => expect(await api.pings(heartbeat.id)).toMatchObject([{ id: ping.id }]));
    const before = await api.read(heartbeat.id);

    const postgresPid = first.postgresPid!;
    expect(isRunning(postgresPid)).toBe(true);
    const startedAt = performance.now();
    await expect(first.stop({ withinMs: 10_000 })).resolves.toEqual({ code: 0, signal: null });
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(isRunning(postgresPid)).toBe(false);
    expect(first.postgresPid).toBeNull();

    const second = await startFlatline({ dataDir, env: { FLATLINE_BOOTSTRAP_API_KEY: '' } });
    await second.ready();
    await second.process.line(/Ctrl-C/);
    expect(second.process.lines.join('\n')).not.toMatch(KEY);
    const again = new ApiSession(second.baseUrl, key);
    const { token, ping_url: _url, ...kept } = before;
    expect(await again.read(heartbeat.id)).toMatchObject(kept);
    expect(await again.ping(token)).toMatchObject({ status: 200 });
    await expect(second.stop()).resolves.toEqual({ code: 0, signal: null });

    // Someone who lost the first key sets one of their own; the first stays valid.
    const third = await startFlatline({ dataDir });
    await third.ready();
    expect(await new ApiSession(third.baseUrl, ADMIN_KEY).read(heartbeat.id)).toMatchObject({ id: heartbeat.id });
    expect(await new ApiSession(third.baseUrl, key).read(heartbeat.id)).toMatchObject({ id: heartbeat.id });
    third.process.child.kill('SIGINT');
    await expect(third.process.end({ withinMs: 10_000 })).resolves.toEqual({ code: 0, signal: null });
  });

  it('answers what is open before it ends, and loses no ping that it took', async () => {
    const flatline = await startFlatline({ dataDir });
    await flatline.ready();
    const api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    const { id, token } = await api.create();
    const answers: Promise<string | null>[] = [];
    const pinging = setInterval(() => {
      const answer = api.ping(token).then(
        ({ status, json }) => (status === 200 ? (json.id as string) : null),
        () => null,
      );
      answers.push(answer);
    }, 5);
    await eventually(() => expect(answers.length).toBeGreaterThan(50));
    const ended = flatline.stop({ withinMs: 10_000 });
    await expect(ended).resolves.toEqual({ code: 0, signal: null });
    clearInterval(pinging);
    const acknowledged = (await Promise.all(answers)).filter((each) => each !== null);

    const again = await startFlatline({ dataDir });
    await again.ready();
    const stored = await eventually(async () => {
      const found = (await new ApiSession(again.baseUrl, ADMIN_KEY).pings(id)).map((ping) => ping.id);
      expect(found.length).toBeGreaterThanOrEqual(acknowledged.length);
      return found;
    });
    expect(acknowledged.filter((each) => !stored.includes(each))).toEqual([]);
    expect(new Set(stored).size).toBe(stored.length);
    await again.stop();
  });

  it.each([
    ['at the first start, while its database is made', true],
    ['at a later start, while its database starts', false],
  ])('stops on SIGTERM %s, with 0 and nothing left', async (_when, isFirst) => {
    const place = isFirst ? createDataDir() : dataDir;
    const flatline = await startFlatline({ dataDir: place });
    await eventually(
      () => expect(isFirst ? readdirSync(place).join() : String(flatline.postgresPid)).toMatch(/unfinished|^\d+$/),
      { everyMs: 5 },
    );
    await expect(flatline.stop({ withinMs: 10_000 })).resolves.toEqual({ code: 0, signal: null });
    expect(flatline.process.lines.join('\n')).not.toMatch(/"level":(50|60)|^\s+at /m);
    await eventually(() => expect(processesIn(place)).toEqual([]), { withinMs: 2_000 });
    if (isFirst) removeDataDir(place);
  });
});

/** Processes that work in a folder or below it; empty where there is no /proc to look into. */
function processesIn(folder: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    } catch {
      return false;
    }
  });
}
