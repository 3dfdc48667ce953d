import { createTestDatabase, eventually, startWebhookReceiver, TEST_POSTGRES_URL } from '@flatline/test-kit';
import type { TestDatabase, WebhookReceiver } from '@flatline/test-kit';
import { Client } from 'pg';
import { Claimant } from './claimant';
import { DeliveryStore } from './delivery-store';
import { testIncident } from './test-incidents';
import type { TestIncident } from './test-incidents';
import { TestNotifier } from './test-notifier';

jest.setTimeout(60_000);

const FIRST = '00000000-0000-4000-8000-000000000001';
const SECOND = '00000000-0000-4000-8000-000000000002';
const CONFIGURED = ['default-webhook', 'terminal'];

let database: TestDatabase;
let receiver: WebhookReceiver;
const running: TestNotifier[] = [];

beforeEach(async () => {
  database = await createTestDatabase('delivery');
  receiver = await startWebhookReceiver();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((notifier) => notifier.stop()));
  await receiver.stop();
  await database.drop();
});

/** A notifier that delivers nothing of its own: everything is planned by one that was stopped. */
async function planned(...args: readonly TestIncident[]): Promise<TestNotifier> {
  receiver.answerWith({ status: 503, headers: { 'retry-after': '3600' } });
  const notifier = await TestNotifier.start(database.url, { DEFAULT_ALERT_WEBHOOK_URL: receiver.url });
  await notifier.goDown(...args);
  await eventually(() => expect(receiver.requests).toHaveLength(args.length));
  await eventually(async () =>
    expect((await notifier.notifications()).filter(({ status }) => status === 'pending')).toHaveLength(args.length),
  );
  await notifier.stop();
  receiver.requests.length = 0;
  receiver.answerWith({});
  const idle = await TestNotifier.open(database.url, { DEFAULT_ALERT_WEBHOOK_URL: receiver.url });
  running.push(idle);
  await idle.infrastructure.dataSource.query(`UPDATE notification SET next_attempt_at = now()`);
  return idle;
}

describe('a claim', () => {
  it('is won by one of many that ask for it at once', async () => {
    const idle = await planned(testIncident());
    const [row] = await idle.notifications();
    const { dataSource } = idle.infrastructure;
    const now = Date.now() + 1_000;
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        new DeliveryStore(dataSource, n % 2 === 0 ? FIRST : SECOND, CONFIGURED).claim(
          [row?.id ?? ''],
          now,
          now + 5_000,
        ),
      ),
    );
    expect(claims.flat().filter((claim) => claim !== null)).toHaveLength(1);
  });

  it('that expired goes to another, and the first can no longer write its result', async () => {
    const idle = await planned(testIncident());
    const [row] = await idle.notifications();
    const id = row?.id ?? '';
    const first = new DeliveryStore(idle.infrastructure.dataSource, FIRST, CONFIGURED);
    const second = new DeliveryStore(idle.infrastructure.dataSource, SECOND, CONFIGURED);
    const now = Date.now() + 1_000;

    expect(await first.claim([id], now, now + 5_000)).toEqual([expect.objectContaining({ result: 'claimed' })]);
    expect(await second.claim([id], now + 4_999, now + 9_000)).toEqual([null]);
    expect(await second.claim([id], now + 5_000, now + 9_000)).toEqual([
      expect.objectContaining({ notification: expect.objectContaining({ attempt: 3 }) as unknown }),
    ]);
    const result = { id, startedAt: now, finishedAt: now, outcome: 'delivered', detail: 'ok' };
    expect((await first.finish([{ ...result, attempt: 2, step: { status: 'delivered' } }])).size).toBe(0);
    expect((await idle.notifications())[0]?.status).toBe('sending');
    expect((await second.finish([{ ...result, attempt: 3, step: { status: 'delivered' } }])).size).toBe(1);
    expect((await idle.notifications())[0]?.status).toBe('delivered');
    expect((await idle.attempts()).map(({ attempt, outcome }) => `${attempt} ${outcome}`)).toEqual([
      '1 retryable',
      '2 interrupted',
      '3 delivered',
    ]);
  });

  it('is not had for a notification that waits for an earlier one', async () => {
    const incident = testIncident();
    const idle = await planned(incident);
    await idle.start();
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    receiver.answerWith({ status: 503, headers: { 'retry-after': '3600' } });
    const next = testIncident({ heartbeatId: incident.heartbeatId });
    await idle.goDown(next);
    await idle.recover(next);
    await eventually(async () => expect(await idle.notifications()).toHaveLength(3));
    const recovery = (await idle.notifications())[2];
    const store = new DeliveryStore(idle.infrastructure.dataSource, FIRST, CONFIGURED);
    expect(await store.claim([recovery?.id ?? ''], Date.now() + 1_000, Date.now() + 5_000)).toEqual([null]);
  });
});

describe('what the timers forget', () => {
  it('is found at the start', async () => {
    const idle = await planned(testIncident(), testIncident());
    await idle.start();
    await eventually(() => expect(receiver.requests).toHaveLength(2));
  });
});

describe('a database that is away while a message is on its way', () => {
  /** Refuses and ends every connection to the test's database until it is let in again. */
  async function lock(out: boolean): Promise<void> {
    const admin = new Client({ connectionString: process.env[TEST_POSTGRES_URL] });
    await admin.connect();
    await admin.query(`ALTER DATABASE ${database.name} WITH ALLOW_CONNECTIONS ${out ? 'false' : 'true'}`);
    if (out) {
      await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database.name]);
    }
    await admin.end();
  }

  it('gets the result later, and the message is not sent again', async () => {
    const notifier = await TestNotifier.start(database.url, { DEFAULT_ALERT_WEBHOOK_URL: receiver.url });
    running.push(notifier);
    let locked: Promise<void> | undefined;
    receiver.answerWith(() => {
      locked = lock(true);
      return { delayMs: 500 };
    });
    const incident = testIncident();
    await notifier.goDown(incident);
    await eventually(() => expect(locked).toBeDefined());
    await locked;
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // the result cannot be written meanwhile
    await lock(false);
    await eventually(async () => expect((await notifier.notifications())[0]?.status).toBe('delivered'));
    expect(receiver.requests).toHaveLength(1);
    receiver.answerWith({});
    await notifier.recover(incident);
    await eventually(() => expect(receiver.requests).toHaveLength(2));
  });
});

describe('a notifier that starts again', () => {
  it('takes up at once what a dead one left claimed, under the same key', async () => {
    const idle = await planned(testIncident());
    const [row] = await idle.notifications();
    const dead = new DeliveryStore(idle.infrastructure.dataSource, FIRST, CONFIGURED);
    await dead.claim([row?.id ?? ''], Date.now() + 100, Date.now() + 600_000);
    await idle.start();
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    expect(receiver.requests[0]?.headers['webhook-id']).toBe(row?.id);
    await eventually(async () =>
      expect((await idle.attempts()).map(({ attempt, outcome }) => `${attempt} ${outcome}`)).toEqual([
        '1 retryable',
        '2 interrupted',
        '3 delivered',
      ]),
    );
  });

  it('leaves alone what a living one has claimed, until the claim expires', async () => {
    const idle = await planned(testIncident());
    const [row] = await idle.notifications();
    const claimant = new Claimant(idle.infrastructure.session);
    await claimant.proveAlive();
    const living = new DeliveryStore(idle.infrastructure.dataSource, claimant.id, CONFIGURED);
    const now = Date.now() + 100;
    await living.claim([row?.id ?? ''], now, now + 2_000);
    await idle.start();
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    expect(receiver.requests[0]?.receivedAt).toBeGreaterThanOrEqual(now + 1_900);
    await claimant.end();
  });

  it('shares the work with another and tells everybody once', async () => {
    const both = await Promise.all(
      [1, 2].map(() => TestNotifier.start(database.url, { DEFAULT_ALERT_WEBHOOK_URL: receiver.url })),
    );
    running.push(...both);
    const incidents = Array.from({ length: 100 }, () => testIncident());
    await both[0]?.goDown(...incidents);
    await both[1]?.recover(...incidents);
    await eventually(() => expect(receiver.requests).toHaveLength(200));
    await eventually(async () =>
      expect((await both[0]?.notifications())?.every(({ status }) => status === 'delivered')).toBe(true),
    );
    expect(receiver.requests).toHaveLength(200);
  });

  it('interrupts on stopping what takes too long, and sends it again under the same key', async () => {
    receiver.answerWith({ failure: 'hang' });
    const first = await TestNotifier.start(database.url, { DEFAULT_ALERT_WEBHOOK_URL: receiver.url });
    await first.goDown(testIncident());
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    const startedAt = performance.now();
    await first.stop();
    expect(performance.now() - startedAt).toBeLessThan(9_000);
    receiver.answerWith({});
    const second = await TestNotifier.start(database.url, { DEFAULT_ALERT_WEBHOOK_URL: receiver.url });
    running.push(second);
    await eventually(() => expect(receiver.requests).toHaveLength(2), { withinMs: 5_000 });
    const keys = receiver.requests.map(({ headers }) => headers['webhook-id']);
    expect(keys[1]).toBe(keys[0]);
  });

  it('gives up what was tried for a day', async () => {
    const idle = await planned(testIncident());
    await idle.infrastructure.dataSource.query(`UPDATE notification SET created_at = now() - interval '24 hours'`);
    receiver.answerWith({ status: 503 });
    await idle.start();
    await eventually(async () =>
      expect(await idle.notifications()).toEqual([expect.objectContaining({ status: 'dead', reason: 'expired' })]),
    );
  });
});
