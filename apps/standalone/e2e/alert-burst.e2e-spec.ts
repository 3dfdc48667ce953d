import {
  ADMIN_KEY,
  ApiSession,
  eventually,
  printMeasurement,
  startWebhookReceiver,
  useFlatline,
} from '@flatline/test-kit';
import type { ApiHeartbeat, WebhookReceiver } from '@flatline/test-kit';

/** All at once; more with FLATLINE_E2E_BURST. */
const HEARTBEATS = Number(process.env['FLATLINE_E2E_BURST'] ?? 1000);
const AT_A_TIME = 20;

describe(`${HEARTBEATS} heartbeats that fall silent at once`, () => {
  const flatline = useFlatline();
  let receiver: WebhookReceiver;
  beforeAll(async () => {
    receiver = await startWebhookReceiver();
  });
  afterAll(() => receiver.stop());

  it('are told of, all of them, once each, and so are their recoveries', async () => {
    const api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    await api.call('POST', '/channels', { kind: 'webhook', name: 'pager', settings: { url: receiver.url } });
    const heartbeats = await inParallel(HEARTBEATS, (index) =>
      api.create({ name: `job ${index}`, interval_secs: 2, grace_secs: 1 }),
    );
    const ids = heartbeats.map(({ id }) => id).sort();
    const pingAll = () => inParallel(HEARTBEATS, (index) => api.ping((heartbeats[index] as ApiHeartbeat).token));

    for (const { status } of await pingAll()) expect(status).toBe(200);
    const told = (type: string) =>
      receiver.requests
        .map(({ body, receivedAt }) => ({ ...(JSON.parse(body) as Told), receivedAt }))
        .filter((each) => each.type === type);
    const toldIds = (type: string) => told(type).map(({ data }) => data.heartbeat.id);

    await eventually(() => expect(toldIds('heartbeat.down')).toHaveLength(HEARTBEATS), {
      withinMs: 40_000,
      everyMs: 200,
    });
    expect(toldIds('heartbeat.down').sort()).toEqual(ids);
    const latencies = told('heartbeat.down')
      .map(({ timestamp, receivedAt }) => receivedAt - Date.parse(timestamp))
      .sort((a, b) => a - b);
    const at = (share: number) => latencies[Math.floor(share * (latencies.length - 1))];
    printMeasurement(
      `deadline to webhook, ${HEARTBEATS} at once: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`,
    );
    expect(latencies[0]).toBeGreaterThanOrEqual(0);

    // Long intervals, so that no second incident begins while the first ends.
    await inParallel(HEARTBEATS, (index) =>
      api.call('PATCH', `/heartbeats/${heartbeats[index]!.id}`, { interval_secs: 3600 }),
    );
    await pingAll();
    await eventually(() => expect(toldIds('heartbeat.recovered')).toHaveLength(HEARTBEATS), {
      withinMs: 40_000,
      everyMs: 200,
    });
    expect(toldIds('heartbeat.recovered').sort()).toEqual(ids);
    expect(receiver.requests).toHaveLength(2 * HEARTBEATS);
  });
});

interface Told {
  type: string;
  timestamp: string;
  data: { heartbeat: { id: string } };
}

async function inParallel<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results = new Array<T>(count);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) results[index] = await work(index);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  return results;
}
