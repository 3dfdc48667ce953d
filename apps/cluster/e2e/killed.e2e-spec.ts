import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  ADMIN_KEY,
  ApiSession,
  CLUSTER_PARTS,
  type ClusterPart,
  createDataDir,
  eventually,
  type Flatline,
  freePort,
  Jobs,
  pidOfPart,
  portOfPart,
  printMeasurement,
  processesOn,
  removeDataDir,
  sendRequest,
  startCluster,
  startTestSmtp,
  startWebhookReceiver,
} from '@flatline/test-kit';
import type { ApiAnswer, TestSmtp, WebhookReceiver } from '@flatline/test-kit';
import { PrintedLines } from './printed-lines';

const READY_WITHIN_MS = 60_000;
const BACK_WITHIN_MS = 40_000;
/** A shard may have to wait for the lease of an ingest that died, and for its next reader. */
const ALERTED_WITHIN_MS = 60_000;

describe('a cluster whose processes are killed', () => {
  const dataDir = createDataDir();
  let port: number;
  let cluster: Flatline;
  let receiver: WebhookReceiver;
  let smtp: TestSmtp;
  let api: ApiSession;
  const jobs: Jobs[] = [];
  const printed = new PrintedLines();
  const tokens: string[] = [];
  let hook: ApiAnswer;
  const env = () => ({
    LOG_LEVEL: 'debug',
    SMTP_URL: smtp.url.replace('smtp://', 'smtp://mailuser:mail-password-1@'),
    DEFAULT_ALERT_EMAIL: 'someone@private.example',
  });
  const silent: { id: string; name: string; acknowledged: string }[] = [];

  beforeAll(async () => {
    port = await freePort();
    [receiver, smtp] = await Promise.all([startWebhookReceiver(), startTestSmtp()]);
    receiver.answerNext({ status: 500, body: 'answer-of-a-webhook' });
    smtp.refuseNext({ code: 451, message: 'not now, someone@private.example' });
    cluster = await startCluster({ dataDir, port, env: env() });
    await cluster.ready({ withinMs: READY_WITHIN_MS });
    // The gateway is ready with one of each behind it; where all the parts are is printed when all of them are.
    await cluster.process.line(/^Flatline is ready/, { withinMs: READY_WITHIN_MS });
    api = new ApiSession(cluster.baseUrl, ADMIN_KEY);
    hook = await api.call('POST', '/channels', {
      kind: 'webhook',
      name: 'pager',
      settings: { url: `${receiver.url}/webhook-path-secret?x=webhook-query-secret` },
    });
    const fields = { interval_secs: 4, grace_secs: 4 };
    // Shorter than the gateway or all of it is away: knowing of that time alone keeps it from an alert.
    const strict = { name: 'lives, strictly', interval_secs: 1, grace_secs: 1, alert_after_misses: 1 };
    for (const each of [strict, { ...fields, name: 'lives' }]) {
      jobs.push(new Jobs(await api.create(each), api, { pauseMs: 400, count: 1 }));
    }
    // At every kill some of its pings are between their acceptance and their answer.
    jobs.push(new Jobs(await api.create({ ...fields, name: 'a stream' }), api, { pauseMs: 10, count: 3 }));
  }, 90_000);
  afterAll(async () => {
    await Promise.all(jobs.map((job) => job.stop()));
    await cluster.killTree();
    await Promise.all([receiver.stop(), smtp.stop()]);
    removeDataDir(dataDir);
  }, 60_000);

  /** A job that pings once, until it is acknowledged, and never again. */
  async function fallSilent(name: string): Promise<void> {
    const { id, token } = await eventually(
      () => api.create({ name, interval_secs: 2, grace_secs: 1, alert_after_misses: 1 }),
      { withinMs: BACK_WITHIN_MS },
    );
    const acknowledged = await eventually(
      async () => {
        const answer = await api.ping(token);
        expect(answer.status).toBe(200);
        return answer.json.id as string;
      },
      { withinMs: BACK_WITHIN_MS, everyMs: 100 },
    );
    silent.push({ id, name, acknowledged });
    tokens.push(token);
  }

  const acknowledgedCount = (): number => jobs.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);

  async function expectBack(part: ClusterPart, killed: number): Promise<void> {
    await eventually(
      async () => {
        expect(pidOfPart(cluster, part)).not.toBe(killed);
        if (part !== 'Kafka' && part !== 'Redis' && part !== 'Postgres') {
          const partUrl = `http://127.0.0.1:${portOfPart(cluster.process.lines, part)}/readyz`;
          expect((await fetch(partUrl)).status).toBe(200);
        }
        expect((await fetch(`${cluster.baseUrl}/readyz`)).status).toBe(200);
      },
      { withinMs: BACK_WITHIN_MS, everyMs: 100 },
    );
    const before = acknowledgedCount();
    await eventually(() => expect(acknowledgedCount()).toBeGreaterThan(before + 5), { withinMs: BACK_WITHIN_MS });
  }

  it('refuses whom it must, at the gateway and behind it', async () => {
    const { token } = jobs[0]!.heartbeat;
    const forged = `${token.slice(0, -1)}_`;
    tokens.push(forged);
    expect((await api.ping(forged)).status).toBe(404);
    const body = 'body-of-a-ping';
    const path = `/v1/heartbeats/${token}/ping`;
    expect((await sendRequest(cluster.baseUrl, { method: 'PUT', path })).status).toBe(405);
    expect((await sendRequest(cluster.baseUrl, { method: 'POST', path, body })).status).toBe(200);
    const stranger = new ApiSession(cluster.baseUrl, 'tsk_live_wrong_key_of_somebody');
    expect((await stranger.call('GET', '/heartbeats')).status).toBe(401);
  });

  it('refuses nobody while processes that answer requests are told to stop, one after the other', async () => {
    const refused = () => jobs.reduce((sum, job) => sum + job.refused, 0);
    const before = refused();
    for (const part of ['ingest-1', 'ingest-2', 'management-api-1'] as const) {
      const told = pidOfPart(cluster, part);
      process.kill(told, 'SIGTERM');
      await expectBack(part, told);
    }
    expect(refused() - before).toBe(0);
  });

  it.each(CLUSTER_PARTS)('starts %s again and goes on', async (part) => {
    await fallSilent(`silent while ${part} dies`);
    const killed = pidOfPart(cluster, part);
    process.kill(killed, 'SIGKILL');
    await expectBack(part, killed);
  });

  it('comes back when all of it is killed at once', async () => {
    await fallSilent('silent while everything dies');
    printed.collect(cluster);
    await cluster.killTree();
    expect(processesOn(dataDir)).toEqual([]);
    cluster = await startCluster({ dataDir, port, env: env() });
    const tookMs = await cluster.ready({ withinMs: READY_WITHIN_MS });
    printMeasurement(`everything was ready again after ${(tookMs / 1000).toFixed(1)} s`);
    const before = acknowledgedCount();
    await eventually(() => expect(acknowledgedCount()).toBeGreaterThan(before + 5), { withinMs: BACK_WITHIN_MS });
  });

  it('comes back when the supervisor alone is killed, and nothing of the old one goes on beside the new', async () => {
    const old = processesOn(dataDir).filter((pid) => pid !== cluster.process.pid);
    printed.collect(cluster);
    await cluster.kill();
    cluster = await startCluster({ dataDir, port, env: env() });
    await cluster.ready({ withinMs: READY_WITHIN_MS });
    expect(processesOn(dataDir).filter((pid) => old.includes(pid))).toEqual([]);
  });

  it('has told of each job that fell silent, once, and of no other', async () => {
    const downs = () => receiver.requests.filter(({ body }) => JSON.parse(body).type === 'heartbeat.down');
    const nameOf = (request: { body: string }): string => JSON.parse(request.body).data.heartbeat.name as string;
    await eventually(
      () => expect([...new Set(downs().map(nameOf))].sort()).toEqual(silent.map(({ name }) => name).sort()),
      { withinMs: ALERTED_WITHIN_MS, everyMs: 250 },
    );
    // A receiver that is told twice, because the sender died before it could write down that it had been, can tell.
    const keys = downs().map((request) => request.headers['webhook-id']);
    expect(new Set(keys).size).toBe(silent.length);
    expect(receiver.requests).toHaveLength(downs().length);
    for (const { heartbeat } of jobs) expect(await api.incidents(heartbeat.id)).toEqual([]);
  });

  it('has every ping that got 200 in the history exactly once', async () => {
    await Promise.all(jobs.map((job) => job.stop()));
    for (const { heartbeat, acknowledged } of jobs) {
      const stored = await eventually(
        async () => {
          const ids = (await api.pings(heartbeat.id)).map(({ id }) => id);
          expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
          return ids;
        },
        { withinMs: BACK_WITHIN_MS },
      );
      expect(new Set(stored).size).toBe(stored.length);
    }
    for (const { id, acknowledged } of silent) {
      expect((await api.pings(id)).map((ping) => ping.id)).toContain(acknowledged);
      expect(await api.incidents(id)).toHaveLength(1);
    }
    printMeasurement(`${acknowledgedCount()} pings acknowledged, none lost, none doubled`);
  });

  it('stops in good order and leaves nothing behind', async () => {
    expect(await cluster.stop({ withinMs: 20_000 })).toEqual({ code: 0, signal: null });
    expect(processesOn(dataDir)).toEqual([]);
  });

  /** Kafka, Redis and Postgres were away, deliveries failed, pings were forged: all of it was logged, and none of this. */
  it('has printed no key, token, secret, password, address or body', async () => {
    printed.collect(cluster);
    const secretOf = (file: string): string => readFileSync(join(dataDir, file), 'utf8').trim();
    const secrets = {
      'the first key': ADMIN_KEY,
      'signing secret': (hook.json.secret as string).slice('whsec_'.length),
      'path of a webhook': 'webhook-path-secret',
      'query of a webhook': 'webhook-query-secret',
      'answer of a webhook': 'answer-of-a-webhook',
      'mail password': 'mail-password-1',
      'mail address': 'private.example',
      'body of a ping': 'body-of-a-ping',
      'wrong key': 'wrong_key_of_somebody',
      'password of Postgres': secretOf('postgres.password'),
      'keys of tokens': secretOf('ping-token-keys'),
      ...Object.fromEntries(tokens.map((token, index) => [`token ${index}`, token])),
      ...Object.fromEntries(jobs.map(({ heartbeat }) => [`token of ${heartbeat.name}`, heartbeat.token])),
    };
    expect(printed.length).toBeGreaterThan(10_000);
    expect(printed.namesOf(secrets)).toEqual([]);
    // It does find what is there: the name of a part.
    expect(printed.namesOf({ there: 'deadline-scheduler' })).toEqual(['there']);
  });
});
