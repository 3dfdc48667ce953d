import { setTimeout as sleep } from 'node:timers/promises';

import {
  ADMIN_KEY,
  ApiSession,
  createDataDir,
  eventually,
  type Flatline,
  freePort,
  Jobs,
  printMeasurement,
  removeDataDir,
  startFlatline,
  startWebhookReceiver,
} from '@flatline/test-kit';
import type { WebhookReceiver } from '@flatline/test-kit';

/** How often it is killed; more with FLATLINE_E2E_KILLS. */
const KILLS = Number(process.env['FLATLINE_E2E_KILLS'] ?? 6);
/** Makes a run repeatable as far as chance in the test goes. */
const SEED = Number(process.env['FLATLINE_E2E_SEED'] ?? Date.now() % 100_000);
const READY_WITHIN_MS = 15_000;
/** Longer than the strict jobs' interval and grace, shorter than the lease that makes an absence a blackout. */
const OUT_OF_REACH_MS = 2_500;
const PAUSE_MS = 500;

let state = SEED;
/** 0 up to 1; a linear congruential generator is chance enough here. */
const random = (): number => (state = (state * 48_271 + 11) % 2_147_483_647) / 2_147_483_647;

describe(`killed ${KILLS} times (seed ${SEED})`, () => {
  const dataDir = createDataDir();
  let port: number;
  let flatline: Flatline;
  let receiver: WebhookReceiver;
  const jobs: Jobs[] = [];
  beforeAll(async () => {
    port = await freePort();
    receiver = await startWebhookReceiver();
    flatline = await startFlatline({ dataDir, port });
    await flatline.ready();
  });
  afterAll(async () => {
    await Promise.all(jobs.map((job) => job.stop()));
    await flatline.killTree();
    await receiver.stop();
    removeDataDir(dataDir);
  });

  it(
    'every ping that got 200 is in the history once, who pinged is not alerted, who fell silent is, once',
    async () => {
      const api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
      await api.call('POST', '/channels', { kind: 'webhook', name: 'pager', settings: { url: receiver.url } });
      const fields = { interval_secs: 2, grace_secs: 2 };
      const patient = { ...fields, name: 'lives' };
      // Their deadlines pass while nobody can ping: only knowing of our own absence keeps them from an alert.
      const strict = { name: 'lives, strictly', interval_secs: 1, grace_secs: 1, alert_after_misses: 1 };
      for (const each of [strict, strict, patient, patient])
        jobs.push(new Jobs(await api.create(each), api, { pauseMs: PAUSE_MS, count: 1, random }));
      // At every kill some of its pings are between their acceptance and their answer.
      jobs.push(new Jobs(await api.create({ ...fields, name: 'a stream' }), api, { pauseMs: 5, count: 4, random }));
      const silent: { id: string; acknowledged: string }[] = [];
      const restarts: number[] = [];

      for (let kill = 0; kill < KILLS; kill += 1) {
        const dying = await api.create({ ...fields, name: 'falls silent' });
        silent.push({ id: dying.id, acknowledged: (await api.ping(dying.token)).json.id as string });
        await sleep(500 + random() * 2_500);
        await (kill % 2 === 0 ? flatline.kill() : flatline.killTree());
        if (kill % 3 === 1) await sleep(OUT_OF_REACH_MS);
        if (kill % 3 === 2) {
          // Once more while it comes up.
          const halfway = await startFlatline({ dataDir, port });
          await sleep(random() * 2_000);
          await halfway.kill();
        }
        flatline = await startFlatline({ dataDir, port });
        restarts.push(await flatline.ready({ withinMs: READY_WITHIN_MS }));
      }

      const downs = () => receiver.requests.filter(({ body }) => JSON.parse(body).type === 'heartbeat.down');
      const idOf = (request: { body: string }): string => JSON.parse(request.body).data.heartbeat.id as string;
      const deadline = { withinMs: 60_000, everyMs: 250 };
      await eventually(() => {
        expect(new Set(downs().map(idOf))).toEqual(new Set(silent.map(({ id }) => id)));
      }, deadline);
      // Before they stop: from then on those that live strictly are due within two seconds.
      for (const { heartbeat } of jobs) {
        expect(await api.incidents(heartbeat.id)).toEqual([]);
        expect(await api.read(heartbeat.id)).toMatchObject({ status: 'active', consecutive_misses: 0 });
      }
      const requests = [...receiver.requests];
      await Promise.all(jobs.map((job) => job.stop()));

      for (const { heartbeat, acknowledged } of jobs) {
        await eventually(async () => {
          const newest = (await api.call('GET', `/heartbeats/${heartbeat.id}/pings`)).json.pings as { id: string }[];
          expect(newest.map(({ id }) => id)).toContain(acknowledged.at(-1));
        });
        const stored = (await api.pings(heartbeat.id)).map(({ id }) => id);
        const unique = new Set(stored);
        expect(unique.size).toBe(stored.length);
        expect(acknowledged.filter((id) => !unique.has(id))).toEqual([]);
      }
      for (const { id, acknowledged } of silent) {
        expect((await api.pings(id)).map((ping) => ping.id)).toEqual([acknowledged]);
        expect(await api.incidents(id)).toHaveLength(1);
      }
      // A receiver that is told twice, because the sender died before it could write down that it had been, can tell.
      const keys = requests.map((request) => `${idOf(request)} ${request.headers['webhook-id']}`);
      expect(new Set(keys).size).toBe(silent.length);
      expect(requests.map(({ body }) => JSON.parse(body).type)).toEqual(requests.map(() => 'heartbeat.down'));

      const pings = jobs.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
      const seconds = restarts.map((ms) => (ms / 1000).toFixed(1)).join(', ');
      printMeasurement(`${pings} pings acknowledged, none lost; ready again after ${seconds} s`);
      printMeasurement(`${silent.length} alerts due, ${keys.length} requests sent for them`);
    },
    60_000 + KILLS * 25_000,
  );
});
