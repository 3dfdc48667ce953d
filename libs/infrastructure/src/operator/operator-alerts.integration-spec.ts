import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { EventLog } from '@flatline/event-log';
import { createDataSource, migrate, readVitalSigns } from '@flatline/persistence';
import {
  createKernel,
  createLogger,
  loadConfig,
  operatorConditions,
  silentLogger,
  SystemClock,
} from '@flatline/service-kernel';
import {
  createTestDatabase,
  eventually,
  FakeClock,
  startTestSmtp,
  startWebhookReceiver,
  type TestDatabase,
  type TestSmtp,
  type WebhookReceiver,
} from '@flatline/test-kit';
import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { AlertNotice } from './alert-book';
import { AlertPost } from './alert-post';
import { alertTargets } from './alert-targets';
import { runbookOf, WORDING } from './alert-wording';
import { InstallationWatch } from './installation-watch';
import { startOperatorWatch } from './operator-watch';
import { SelfHeartbeat } from './self-heartbeat';

const ROOT = resolve(__dirname, '../../../..');
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

describe('operator alerts', () => {
  let smtp: TestSmtp;
  let receiver: WebhookReceiver;
  beforeAll(async () => {
    [smtp, receiver] = await Promise.all([startTestSmtp(), startWebhookReceiver()]);
  });
  afterAll(() => Promise.all([smtp.stop(), receiver.stop()]));
  beforeEach(() => void receiver.requests.splice(0));

  it.each(operatorConditions)('have a runbook for %s, and in it the command that they name', (condition) => {
    const [page, section] = runbookOf(condition).split('#');
    const runbook = readFileSync(resolve(ROOT, page!), 'utf8');
    const sections = [...runbook.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title!.toLowerCase().replaceAll(' ', '-'));
    expect(['the whole page', ...sections]).toContain(section ?? 'the whole page');
    for (const [command, app] of WORDING[condition].firstStep.matchAll(/dist\/apps\/([\w-]+)\/main\.js/g)) {
      expect(runbook).toContain(command);
      expect(existsSync(resolve(ROOT, 'apps', app!, 'main.ts'))).toBe(true);
    }
  });

  it('name the command where a command mends it', () => {
    expect(WORDING.position_lost.firstStep).toContain('node dist/apps/adopt-log/main.js');
  });

  it('reach a private webhook, signed, and a mailbox, with no server of our own there and no address in the log', async () => {
    let log = '';
    const config = loadConfig({
      OPERATOR_ALERT_WEBHOOK_URL: `${receiver.url}/path-secret`,
      OPERATOR_ALERT_WEBHOOK_SECRET: SECRET,
      OPERATOR_ALERT_EMAIL: 'operator@private.example',
      SMTP_URL: smtp.url,
      LOG_LEVEL: 'trace',
      LOG_FORMAT: 'json',
    });
    const logger = createLogger(config, { destination: { write: (line) => void (log += line) } });
    const post = new AlertPost(alertTargets(config, new SystemClock(), 'ingest on host-1'), logger);
    const notice: AlertNotice = {
      ...{ status: 'raised', condition: 'event_log_away', sentence: 'event log: Kafka does not answer' },
      ...{ sinceAt: Date.parse('2026-01-01T00:00:00Z'), endedAt: null, idempotencyKey: 'operator-key-1' },
    };
    receiver.answerNext({ status: 503 });
    post.post(notice);
    await eventually(() => expect([receiver.requests.length, smtp.mails.length]).toEqual([1, 1]));
    await eventually(() => expect(log).toContain('an operator alert could not be delivered; trying again'));
    post.post({ ...notice, status: 'over', endedAt: Date.parse('2026-01-01T01:00:00Z') });
    await eventually(() => expect([receiver.requests.length, smtp.mails.length]).toEqual([2, 2]));
    expect(receiver.requests[0]?.headers).toMatchObject({
      'webhook-id': 'operator-key-1',
      'webhook-signature': expect.stringMatching(/^v1,.+/),
    });
    expect(JSON.parse(receiver.requests[0]?.body ?? '')).toMatchObject({
      type: 'operator.alert',
      data: { condition: 'event_log_away', status: 'raised' },
    });
    expect(smtp.mails.map(({ subject, html }) => [subject, html])).toEqual([
      ['Flatline itself: The event log is away', ''],
      ['Flatline itself: Over: The event log is away (for 1 hour)', ''],
    ]);
    expect(smtp.mails[0]).toMatchObject({
      envelopeTo: ['operator@private.example'],
      text: expect.stringContaining('503'),
    });
    await post.close();
    for (const secret of ['private.example', 'path-secret', SECRET.slice(6)]) expect(log).not.toContain(secret);
  });

  it('do not start without the mail server that they need', () => {
    const config = loadConfig({ OPERATOR_ALERT_EMAIL: 'operator@private.example' });
    const start = () =>
      startOperatorWatch(createKernel(config, { logger: silentLogger() }), 'x', { watchesDisk: false });
    expect(start).toThrow('SMTP_URL must be set');
  });
});

describe('the watch over an installation', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let receiver: WebhookReceiver;
  let watch: InstallationWatch;
  let clock: FakeClock;
  let incidentsEnd: number;

  beforeAll(async () => {
    database = await createTestDatabase('watch');
    await migrate(database.url);
    dataSource = await createDataSource({ databaseUrl: database.url, poolSize: 2 }).initialize();
    receiver = await startWebhookReceiver();
  });
  afterAll(async () => {
    await Promise.all([dataSource.destroy(), receiver.stop()]);
    await database.drop();
  });
  beforeEach(async () => {
    incidentsEnd = 0;
    receiver.requests.length = 0;
    await dataSource.query(`TRUNCATE consumer_offset, outbox, notification CASCADE`);
    for (const shard of [0, 1]) {
      await dataSource.query(
        `INSERT INTO consumer_offset (consumer_group, topic, partition, log_identity, next_offset, watermark, updated_at)
         VALUES ('deadline-scheduler', 'flatline.pings.v1', $1, 'test', 0, now(), now())`,
        [shard],
      );
    }
    const log = {
      bounds: async (topic: string) => ({ start: 0, end: topic.includes('incidents') ? incidentsEnd : 0 }),
    } as unknown as EventLog;
    clock = new FakeClock();
    const parts = { clock, logger: silentLogger() };
    const heartbeat = new SelfHeartbeat({ ...parts, url: `${receiver.url}/self`, everyMs: 0 });
    watch = new InstallationWatch({
      ...parts,
      ...{ dataSource, log, partitions: 2 },
      allIsWell: () => heartbeat.allIsWell(),
    });
  });
  afterEach(() => watch.stop());

  const setWatermark = (shard: number, secondsAgo: number): Promise<unknown> =>
    dataSource.query(
      `UPDATE consumer_offset SET watermark = clock_timestamp() - make_interval(secs => $2) WHERE partition = $1`,
      [shard, secondsAgo],
    );
  const notification = (status: string, dueSecondsAgo: number, heartbeat = uuidv7()): Promise<unknown> =>
    dataSource.query(
      `INSERT INTO notification (id, event_id, project_id, heartbeat_id, incident_id, channel_id, channel_kind, transition,
         facts, status, next_attempt_at, created_at)
       VALUES ($1, $1, $1, $2, $1, 'c', 'webhook', 'down', '{}', $3, clock_timestamp() - make_interval(secs => $4), now())`,
      [uuidv7(), heartbeat, status, dueSecondsAgo],
    );
  const found = async (): Promise<string[]> => {
    await watch.look();
    return watch.findings().map(({ condition }) => condition);
  };

  /** Guarded by `lookOnce` of libs/infrastructure/src/operator/installation-watch.ts: no word unless nothing was found. */
  it('sends its heartbeat, stops when the watermark of one shard stands, and sends it again when that moves', async () => {
    expect(await found()).toEqual([]);
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    expect(receiver.requests[0]).toMatchObject({ method: 'POST', path: '/self' });
    await setWatermark(1, 60);
    expect(await found()).toEqual(['watermark_stalled']);
    await setWatermark(1, 0);
    await setWatermark(0, 0);
    expect(receiver.requests).toHaveLength(1);
    expect(await found()).toEqual([]);
    await eventually(() => expect(receiver.requests).toHaveLength(2));
  });

  it('finds a shard that nobody reads, an outbox that nobody publishes, and a message that nobody delivers', async () => {
    await dataSource.query('DELETE FROM consumer_offset WHERE partition = 1');
    await dataSource.query(
      `INSERT INTO outbox (id, topic, key, slot, payload, created_at)
       VALUES ($1, 't', 'k', 0, '{}', now() - interval '2 minutes')`,
      [uuidv7()],
    );
    await notification('pending', 100);
    expect(await found()).toEqual(['watermark_stalled', 'outbox_stuck', 'deliveries_overdue']);
  });

  it('does not call a message overdue that waits for an earlier one, or for its next attempt', async () => {
    const heartbeat = uuidv7();
    await notification('sending', -300, heartbeat);
    await notification('pending', 100, heartbeat);
    await notification('delivered', 100);
    expect(await readVitalSigns(dataSource)).toMatchObject({ outboxSeconds: 0, overdueSeconds: 0 });
    expect(await found()).toEqual([]);
  });

  it('finds that nobody reads incidents, when that has stood', async () => {
    incidentsEnd = 7;
    expect(await found()).toEqual([]);
    clock.advance(29_000);
    expect(await found()).toEqual([]);
    clock.advance(2_000);
    expect(await found()).toEqual(['consumer_stopped']);
    expect(watch.findings()[0]?.sentence).toMatch(/^partitions 0, 1 of flatline.incidents.v1 by notifier /);
  });

  it('sends nothing when it cannot look, and takes an answer that is no 2xx calmly', async () => {
    receiver.answerNext({ status: 500 });
    await watch.look();
    await eventually(() => expect(receiver.requests).toHaveLength(1));
    await dataSource.query('ALTER TABLE outbox RENAME TO outbox_gone');
    try {
      expect(await found()).toEqual([]);
    } finally {
      await dataSource.query('ALTER TABLE outbox_gone RENAME TO outbox');
    }
    expect(receiver.requests).toHaveLength(1);
  });
});
