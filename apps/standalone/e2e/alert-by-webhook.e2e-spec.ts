import { Webhook } from 'standardwebhooks';

import {
  ADMIN_KEY,
  ApiSession,
  eventually,
  printMeasurement,
  startWebhookReceiver,
  useFlatline,
} from '@flatline/test-kit';
import type { ReceivedRequest, WebhookReceiver } from '@flatline/test-kit';

/** What the product promises is 1 s; machines are noisy. */
const ALERT_WITHIN_MS = 3_000;
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('an alert by webhook', () => {
  const flatline = useFlatline();
  let admin: ApiSession;
  let api: ApiSession;
  let receiver: WebhookReceiver;
  let secret: string;

  beforeAll(() => {
    admin = new ApiSession(flatline.baseUrl, ADMIN_KEY);
  });
  beforeEach(async () => {
    receiver = await startWebhookReceiver();
    api = await admin.createProject('alerts');
    const channel = await api.call('POST', '/channels', {
      kind: 'webhook',
      name: 'pager',
      settings: { url: `${receiver.url}/hook` },
    });
    expect(channel).toMatchObject({ status: 201, json: { secret: expect.stringMatching(/^whsec_/) } });
    secret = channel.json.secret as string;
  });
  afterEach(() => receiver.stop());

  /** The body, once its signature was found to be right. */
  const verified = (request: ReceivedRequest): unknown =>
    new Webhook(secret).verify(request.body, request.headers as Record<string, string>);

  it('comes after L + 2·I + G, once, and a ping recovers it, once', async () => {
    const heartbeat = await api.create({ name: 'Büro → Keller', interval_secs: 2, grace_secs: 1 });
    await api.ping(heartbeat.token);
    const [down] = await eventually(() => {
      expect(receiver.requests).toHaveLength(1);
      return receiver.requests;
    });
    const failing = await api.read(heartbeat.id);
    const dueAt = Date.parse(failing.last_pinged_at!) + 5_000;
    printMeasurement(`the webhook arrived ${down!.receivedAt - dueAt} ms after the deadline`);
    expect(down!.receivedAt - dueAt).toBeGreaterThanOrEqual(0);
    expect(down!.receivedAt - dueAt).toBeLessThan(ALERT_WITHIN_MS);
    expect(failing).toMatchObject({ status: 'failing', consecutive_misses: 2 });

    await api.ping(heartbeat.token);
    const [, up] = await eventually(() => {
      expect(receiver.requests).toHaveLength(2);
      return receiver.requests;
    });
    const [incident] = await eventually(async () => {
      const found = await api.incidents(heartbeat.id);
      expect(found).toMatchObject([{ ended_at: expect.any(String), misses: 2, reason: 'missed' }]);
      return found;
    });

    const { id, name } = heartbeat;
    const rhythm = { interval_secs: 2, schedule: null, timezone: null, grace_secs: 1 };
    const told = { id, name, ...rhythm, last_pinged_at: expect.stringMatching(RFC3339) };
    expect(verified(down!)).toEqual({
      type: 'heartbeat.down',
      timestamp: new Date(dueAt).toISOString(),
      data: {
        heartbeat: { ...told, status: 'failing', last_pinged_at: failing.last_pinged_at },
        incident: { id: incident!.id, started_at: incident!.started_at, ended_at: null, reason: 'missed', misses: 2 },
      },
    });
    expect(verified(up!)).toEqual({
      type: 'heartbeat.recovered',
      timestamp: incident!.ended_at,
      data: {
        heartbeat: { ...told, status: 'active' },
        incident: {
          id: incident!.id,
          started_at: incident!.started_at,
          ended_at: incident!.ended_at,
          reason: 'missed',
          misses: 2,
        },
      },
    });
    for (const request of [down!, up!]) {
      expect(request).toMatchObject({ method: 'POST', path: '/hook' });
      expect(request.headers['content-type']).toBe('application/json');
    }
    expect(down!.headers['webhook-id']).not.toBe(up!.headers['webhook-id']);

    // A second incident follows; nothing of the first comes again meanwhile.
    await eventually(() => expect(receiver.requests).toHaveLength(3), { withinMs: 15_000 });
    expect(verified(receiver.requests[2]!)).toMatchObject({ type: 'heartbeat.down' });
    expect((verified(receiver.requests[2]!) as typeof incident & { data: never }).data).not.toMatchObject({
      incident: { id: incident!.id },
    });
  });

  it('is tried again under the same id until it is taken, and only then does the recovery follow', async () => {
    const heartbeat = await api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
    receiver.answerNext({ status: 503 }, { failure: 'cut' });
    await api.ping(heartbeat.token);
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    // Slow enough to miss no more deadline while the retries go on.
    await api.call('PATCH', `/heartbeats/${heartbeat.id}`, { interval_secs: 3600 });
    await api.ping(heartbeat.token);
    await eventually(() => expect(receiver.requests).toHaveLength(4), { withinMs: 30_000 });
    const ids = receiver.requests.map(({ headers }) => headers['webhook-id']);
    expect(ids.slice(0, 3)).toEqual([ids[0], ids[0], ids[0]]);
    expect(ids[3]).not.toBe(ids[0]);
    const types = receiver.requests.map((request) => (verified(request) as { type: string }).type);
    expect(types).toEqual(['heartbeat.down', 'heartbeat.down', 'heartbeat.down', 'heartbeat.recovered']);
    const bodies = receiver.requests.slice(0, 3).map(({ body }) => body);
    expect(new Set(bodies).size).toBe(1);
  });

  it('reaches every channel of the project and of no other, a broken one beside it or not', async () => {
    const second = await startWebhookReceiver();
    const strangers = await startWebhookReceiver();
    try {
      const stranger = await admin.createProject('stranger');
      const channelOf = (session: ApiSession, url: string) =>
        session.call('POST', '/channels', { kind: 'webhook', name: 'more', settings: { url } });
      await channelOf(api, second.url);
      await channelOf(api, 'http://127.0.0.1:9/nobody-listens');
      await channelOf(stranger, strangers.url);
      const heartbeat = await api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
      await api.ping(heartbeat.token);
      await eventually(() => {
        expect(receiver.requests).toHaveLength(1);
        expect(second.requests).toHaveLength(1);
      });
      expect(strangers.requests).toEqual([]);
    } finally {
      await Promise.all([second.stop(), strangers.stop()]);
    }
  });

  it('is not sent for a heartbeat that is paused or deleted in time, nor by a channel that was deleted', async () => {
    const fields = { interval_secs: 1, grace_secs: 1, alert_after_misses: 1 };
    const [paused, deleted, kept] = [await api.create(fields), await api.create(fields), await api.create(fields)];
    const gone = await startWebhookReceiver();
    try {
      const settings = { url: gone.url };
      const channel = await api.call('POST', '/channels', { kind: 'webhook', name: 'gone', settings });
      expect((await api.call('DELETE', `/channels/${channel.json.id}`)).status).toBe(204);
      for (const { token } of [paused, deleted, kept]) await api.ping(token);
      await api.call('POST', `/heartbeats/${paused.id}/pause`);
      await api.call('DELETE', `/heartbeats/${deleted.id}`);
      await eventually(() => expect(receiver.requests).not.toHaveLength(0));
      expect(receiver.requests.map(({ body }) => JSON.parse(body).data.heartbeat.id)).toEqual([kept.id]);
      expect(gone.requests).toEqual([]);
    } finally {
      await gone.stop();
    }
  });
});
