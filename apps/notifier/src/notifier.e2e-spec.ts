import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createTestDatabase, eventually, startTestProcess, startWebhookReceiver } from '@flatline/test-kit';
import type { TestDatabase, TestProcess, WebhookReceiver } from '@flatline/test-kit';
import { testIncident } from './test-incidents';
import { TestNotifier } from './test-notifier';

jest.setTimeout(120_000);

const main = join(__dirname, '..', '..', '..', 'dist', 'apps', 'notifier', 'main.js');

let database: TestDatabase;
let receiver: WebhookReceiver;
/** Plans and delivers nothing: for its log and for looking into the database. */
let outside: TestNotifier;
const started: TestProcess[] = [];

beforeEach(async () => {
  database = await createTestDatabase('notifiere2e');
  receiver = await startWebhookReceiver();
  outside = await TestNotifier.open(database.url);
});
afterEach(async () => {
  await Promise.all(started.splice(0).map(async (process) => process.ended ?? (await process.stop('SIGKILL'))));
  await outside.stop();
  await receiver.stop();
  await database.drop();
});

async function startNotifier(env: Record<string, string> = {}): Promise<TestProcess> {
  const notifier = startTestProcess({
    args: [main],
    env: {
      DATABASE_URL: database.url,
      PORT: '0',
      PING_PARTITIONS: '2',
      LOG_FORMAT: 'json',
      ALLOW_PRIVATE_WEBHOOK_TARGETS: 'true',
      ...env,
    },
  });
  started.push(notifier);
  await notifier.line(/"listening"/);
  return notifier;
}

describe('the notifier as a process', () => {
  it('tells the terminal when there is no channel, and stops in order', async () => {
    const notifier = await startNotifier();
    await outside.goDown(testIncident({ name: 'the first job' }));
    const line = await notifier.line(/DOWN {2}the first job/);
    expect(line).toMatch(/^2026-01-05T03:12:00\.000Z {2}DOWN {2}the first job {2}No ping for 2 minutes 10 seconds/);
    expect(await notifier.stop()).toEqual({ code: 0, signal: null });
  });

  it('killed again and again during a stream of incidents tells each of them', async () => {
    const incidents = Array.from({ length: 300 }, () => testIncident());
    let notifier = await startNotifier({ DEFAULT_ALERT_WEBHOOK_URL: receiver.url });
    for (let round = 0; round < 3; round += 1) {
      await outside.goDown(...incidents.slice(round * 100, round * 100 + 100));
      await eventually(() => expect(receiver.requests.length).toBeGreaterThan(round * 100 + 20));
      await notifier.stop('SIGKILL');
      notifier = await startNotifier({ DEFAULT_ALERT_WEBHOOK_URL: receiver.url });
    }
    await eventually(
      () => expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(300),
      { withinMs: 60_000 },
    );
    await eventually(async () =>
      expect((await outside.notifications()).every(({ status }) => status === 'delivered')).toBe(true),
    );
    const atMost = 300 + 3 * 32; // no more is under way at once to one receiver
    expect(receiver.requests.length).toBeLessThanOrEqual(atMost);
  });

  /**
   * Found by `npm run chaos -- --seed 4`. Guarded by the clock that `NotifierModule.forRoot` (notifier.module.ts) gives the
   * notifier: with the clock of the process the message is given up as a day old.
   */
  it('gives up nothing and puts nothing off when its clock is set a day ahead', async () => {
    const clockFile = join(mkdtempSync(join(tmpdir(), 'flatline-test-clock-')), 'offset');
    receiver.answerWith(() => {
      if (receiver.requests.length > 1) return {};
      writeFileSync(clockFile, '86400000');
      return { status: 500, delayMs: 300 };
    });
    await startNotifier({ DEFAULT_ALERT_WEBHOOK_URL: receiver.url, CLOCK_OFFSET_FILE: clockFile });
    await outside.goDown(testIncident());
    await eventually(() => expect(receiver.requests).toHaveLength(2), { withinMs: 30_000 });
    const sentAt = Number(receiver.requests[1]!.headers['webhook-timestamp']) * 1_000;
    expect(Math.abs(sentAt - receiver.requests[1]!.receivedAt)).toBeLessThan(30_000);
    await eventually(async () => expect((await outside.notifications())[0]).toMatchObject({ status: 'delivered' }));

    // Planned under the wrong clock: due now, for whoever delivers it.
    receiver.answerWith({ status: 500 });
    await outside.goDown(testIncident());
    await eventually(async () =>
      expect((await outside.notifications())[1]).toMatchObject({ status: 'pending', attempts: 1 }),
    );
    const [, planned] = await outside.notifications();
    expect(planned!.nextAttemptAt!.getTime()).toBeLessThan(Date.now() + 60_000);
    rmSync(dirname(clockFile), { recursive: true });
  });
});
