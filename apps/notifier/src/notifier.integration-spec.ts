import { createTestDatabase, eventually, startTestSmtp, startWebhookReceiver } from '@flatline/test-kit';
import type { TestDatabase, TestSmtp, WebhookReceiver } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { testIncident } from './test-incidents';
import { TestNotifier } from './test-notifier';

jest.setTimeout(60_000);

let database: TestDatabase;
let receiver: WebhookReceiver;
let smtp: TestSmtp;
let notifier: TestNotifier;

beforeEach(async () => {
  database = await createTestDatabase('notifier');
  receiver = await startWebhookReceiver();
  smtp = await startTestSmtp();
});
afterEach(async () => {
  await notifier.stop();
  await receiver.stop();
  await smtp.stop();
  await database.drop();
});

const hookEnv = () => ({ DEFAULT_ALERT_WEBHOOK_URL: `${receiver.url}/hook` });
const types = (requests = receiver.requests) =>
  requests.map(({ body }) => (JSON.parse(body) as { type: string }).type.replace('heartbeat.', ''));
const statuses = async () =>
  (await notifier.notifications()).map(({ transition, channelKind, status, reason }) =>
    [transition, channelKind, reason ?? status].join(' '),
  );

describe('the notifier', () => {
  it('tells the default channels once that a heartbeat is down and once that it recovered', async () => {
    notifier = await TestNotifier.start(database.url, {
      ...hookEnv(),
      SMTP_URL: smtp.url,
      DEFAULT_ALERT_EMAIL: 'alice@example.com, bob@example.com',
    });
    const incident = testIncident();
    await notifier.goDown(incident);
    await notifier.recover(incident);
    await eventually(() => {
      expect(types()).toEqual(['down', 'recovered']);
      expect(smtp.mails).toHaveLength(4);
    });
    for (const address of ['alice@example.com', 'bob@example.com']) {
      const subjects = smtp.mails.filter(({ envelopeTo }) => envelopeTo[0] === address).map(({ subject }) => subject);
      expect(subjects).toEqual([expect.stringMatching(/^Down: /), expect.stringMatching(/^Up again: /)]);
    }
    // A result is written down after the receiver has it.
    await eventually(async () => {
      expect(new Set(await statuses()).size).toBe(4);
      expect((await notifier.notifications()).every(({ status }) => status === 'delivered')).toBe(true);
    });
  });

  it("tells the project's own channels, each with its own secret", async () => {
    notifier = await TestNotifier.start(database.url);
    await notifier.addChannel('webhook', { url: `${receiver.url}/mine` }, 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3');
    await notifier.goDown(testIncident());
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    expect(receiver.requests[0]).toMatchObject({ path: '/mine' });
    expect(receiver.requests[0]?.headers['webhook-signature']).toMatch(/^v1,/);
    expect(receiver.requests[0]?.headers['webhook-id']).toBe((await notifier.notifications())[0]?.id);
  });

  it('tells nothing twice when the log does', async () => {
    notifier = await TestNotifier.start(database.url, hookEnv());
    const incident = testIncident();
    await notifier.goDown(incident, incident);
    await notifier.goDown(incident);
    await notifier.recover(incident);
    await notifier.goDown(incident);
    await notifier.recover(incident, incident);
    const last = testIncident({ heartbeatId: incident.heartbeatId });
    await notifier.goDown(last);
    await eventually(() => expect(types()).toEqual(['down', 'recovered', 'down']));
    expect(await notifier.notifications()).toHaveLength(3);
  });

  it('plans nothing that another has planned, and goes on behind it', async () => {
    notifier = await TestNotifier.start(database.url, hookEnv());
    const [first, second] = [testIncident(), testIncident()];
    await notifier.goDown(first);
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    // Another owner of the partition has been faster with the next record.
    await notifier.infrastructure.dataSource.query(
      `UPDATE consumer_offset SET next_offset = next_offset + 1 WHERE consumer_group = 'notifier' AND next_offset > 0`,
    );
    const sameShard = { heartbeatId: first.heartbeatId };
    await notifier.goDown(testIncident(sameShard));
    await notifier.goDown(second, testIncident({ ...sameShard, name: 'told by us' }));
    await eventually(() => expect(receiver.requests.some(({ body }) => body.includes('told by us'))).toBe(true));
    await eventually(async () => expect(await notifier.notifications()).toHaveLength(3));
    expect(receiver.requests).toHaveLength(3);
  });

  it('tries again under the same key, and lets what follows wait', async () => {
    receiver.answerNext({ status: 503 }, { status: 404 });
    notifier = await TestNotifier.start(database.url, hookEnv());
    const incident = testIncident();
    await notifier.goDown(incident);
    await notifier.recover(incident);
    await eventually(() => expect(types()).toEqual(['down', 'down', 'down', 'recovered']), { withinMs: 20_000 });
    const keys = receiver.requests.map(({ headers }) => headers['webhook-id']);
    expect(new Set(keys.slice(0, 3)).size).toBe(1);
    expect(keys[3]).not.toBe(keys[0]);
    await eventually(async () =>
      expect((await notifier.attempts()).map(({ attempt, outcome }) => `${attempt} ${outcome}`).sort()).toEqual([
        '1 delivered',
        '1 retryable',
        '2 retryable',
        '3 delivered',
      ]),
    );
  });

  it('waits as long as the receiver asks', async () => {
    receiver.answerNext({ status: 429, headers: { 'retry-after': '600' } });
    notifier = await TestNotifier.start(database.url, hookEnv());
    const before = Date.now();
    await notifier.goDown(testIncident());
    await eventually(async () => {
      const [row] = await notifier.notifications();
      expect(row?.status).toBe('pending');
      expect(row?.attempts).toBe(1);
      expect(row?.nextAttemptAt?.getTime()).toBeGreaterThanOrEqual(before + 600_000);
    });
  });

  it('gives up what is refused for good and drops its recovery', async () => {
    receiver.answerWith({ status: 410 });
    notifier = await TestNotifier.start(database.url, hookEnv());
    const incident = testIncident();
    await notifier.goDown(incident);
    await notifier.recover(incident);
    await eventually(async () =>
      expect(await statuses()).toEqual(['down webhook refused', 'recovered webhook never_told']),
    );
    expect(receiver.requests).toHaveLength(1);
    receiver.answerWith({ status: 200 });
    await notifier.goDown(testIncident({ heartbeatId: incident.heartbeatId }));
    await eventually(() => expect(receiver.requests).toHaveLength(2)); // and the next incident is told
  });

  it('keeps the order of a heartbeat and channel while others overtake it', async () => {
    const slow = testIncident();
    const quick = testIncident();
    receiver.answerWith(({ body }) => (body.includes(slow.heartbeatId) ? { delayMs: 300 } : {}));
    notifier = await TestNotifier.start(database.url, hookEnv());
    const again = testIncident({ heartbeatId: slow.heartbeatId });
    await notifier.goDown(slow);
    await notifier.recover(slow);
    await notifier.goDown(again);
    await notifier.recover(again);
    await notifier.goDown(quick);
    await eventually(() => expect(receiver.requests).toHaveLength(5));
    const ofSlow = receiver.requests.filter(({ body }) => body.includes(slow.heartbeatId));
    expect(types(ofSlow)).toEqual(['down', 'recovered', 'down', 'recovered']);
    expect(receiver.requests.findIndex(({ body }) => body.includes(quick.heartbeatId))).toBeLessThan(4);
  });

  it('tells nobody through a channel that was deleted meanwhile', async () => {
    notifier = await TestNotifier.start(database.url);
    const channel = await notifier.addChannel('webhook', { url: receiver.url });
    const incident = testIncident();
    await notifier.goDown(incident);
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    await notifier.deleteChannel(channel);
    await notifier.recover(incident);
    await eventually(async () => expect(await statuses()).toContain('recovered webhook channel_deleted'));
    expect(receiver.requests).toHaveLength(1);
  });

  /** Guarded by (3) of `DeliveryStore.claim`. */
  it('tells nobody that a heartbeat is down which was deleted meanwhile, but that one is up again', async () => {
    receiver.answerNext({ status: 503 });
    notifier = await TestNotifier.start(database.url, hookEnv());
    const [untold, told] = [testIncident(), testIncident()];
    await notifier.goDown(untold);
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    await notifier.goDown(told);
    await eventually(async () => expect(await statuses()).toContain('down webhook delivered'));
    await notifier.deleteHeartbeat(untold.heartbeatId);
    await notifier.deleteHeartbeat(told.heartbeatId);
    await notifier.recover(untold, told);
    await eventually(async () =>
      expect((await statuses()).sort()).toEqual([
        'down webhook delivered',
        'down webhook heartbeat_deleted',
        'recovered webhook delivered',
        'recovered webhook never_told',
      ]),
    );
    expect(receiver.requests).toHaveLength(3);
  });

  it('says why mail is not sent without a mail server', async () => {
    notifier = await TestNotifier.start(database.url, { ...hookEnv(), DEFAULT_ALERT_EMAIL: 'alice@example.com' });
    await notifier.goDown(testIncident());
    await eventually(async () =>
      expect((await statuses()).sort()).toEqual(['down email not_configured', 'down webhook delivered']),
    );
  });

  /** Guarded by `dispatchTo` in libs/channels/src/channel-registry.ts. */
  it('lets a channel whose settings no longer fit harm itself alone', async () => {
    notifier = await TestNotifier.start(database.url, hookEnv());
    await notifier.addChannel('webhook', { address: 'nonsense' });
    await notifier.addChannel('pigeon', {});
    await notifier.goDown(testIncident());
    await eventually(async () =>
      expect((await statuses()).sort()).toEqual([
        'down pigeon unknown_kind',
        'down webhook delivered',
        'down webhook unusable_settings',
      ]),
    );
  });

  /** Guarded by `retellRecoveries` in notification-store.ts: without it "down" stays the last word. */
  it('tells a recovery after its "down" although the log told it before, as a replay does', async () => {
    notifier = await TestNotifier.start(database.url, hookEnv());
    const incident = testIncident();
    await notifier.recover(incident);
    await eventually(async () => expect(await statuses()).toEqual(['recovered webhook never_told']));
    await notifier.goDown(incident);
    await eventually(() => expect(types()).toEqual(['down', 'recovered']));
    await eventually(async () =>
      expect(await statuses()).toEqual(['down webhook delivered', 'recovered webhook delivered']),
    );
  });

  it('puts aside what it cannot read or the database refuses, and goes on', async () => {
    notifier = await TestNotifier.start(database.url, hookEnv());
    const good = testIncident();
    const withNul = testIncident({ heartbeatId: good.heartbeatId, name: 'NUL \u0000 in a name' });
    await notifier.append([
      { partition: 0, key: 'odd', value: Buffer.from('{"type":"incident.opened"}') },
      { partition: 0, key: 'odd', value: Buffer.from([0, 159, 146, 150]) },
    ]);
    await notifier.goDown(good, withNul, testIncident({ heartbeatId: uuidv7() }));
    await eventually(() => expect(receiver.requests).toHaveLength(2));
    const letters = await notifier.infrastructure.dataSource.query<{ reason: string; payload: Buffer }[]>(
      'SELECT reason, payload FROM dead_letter',
    );
    expect(letters).toHaveLength(3);
    expect(letters.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining([expect.stringMatching(/SQLSTATE 22/), expect.stringMatching(/not JSON/)]),
    );
    expect(letters.some(({ payload }) => payload.equals(Buffer.from([0, 159, 146, 150])))).toBe(true);
  });

  it('tells a thousand incidents of the same second once each', async () => {
    notifier = await TestNotifier.start(database.url, hookEnv());
    const incidents = Array.from({ length: 1_000 }, () => testIncident());
    await notifier.goDown(...incidents);
    await notifier.recover(...incidents);
    await eventually(() => expect(receiver.requests).toHaveLength(2_000), { withinMs: 30_000 });
    expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(2_000);
    for (const { heartbeatId } of incidents.slice(0, 20)) {
      expect(types(receiver.requests.filter(({ body }) => body.includes(heartbeatId)))).toEqual(['down', 'recovered']);
    }
  });

  /** Guarded by `limitOf` in delivery-lanes.ts: the eight would take all 128 deliveries that may be under way. */
  it('is not held up by channels that hang', async () => {
    const hanging = await startWebhookReceiver();
    hanging.answerWith({ failure: 'hang' });
    try {
      notifier = await TestNotifier.start(database.url, hookEnv());
      for (let count = 0; count < 8; count++) await notifier.addChannel('webhook', { url: hanging.url });
      await notifier.goDown(...Array.from({ length: 200 }, () => testIncident()));
      await eventually(() => expect(receiver.requests).toHaveLength(200), { withinMs: 5_000 });
      expect(hanging.requests.length).toBeLessThanOrEqual(8 * 4);
    } finally {
      await hanging.stop();
    }
  });
});
