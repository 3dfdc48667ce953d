import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  ApiSession,
  createDataDir,
  eventually,
  removeDataDir,
  sendRequest,
  startFlatline,
  startTestSmtp,
  startWebhookReceiver,
} from '@flatline/test-kit';
import type { Flatline, TestSmtp, WebhookReceiver } from '@flatline/test-kit';

describe('what a whole run prints', () => {
  const dataDir = createDataDir();
  let smtp: TestSmtp;
  let receiver: WebhookReceiver;
  let operator: WebhookReceiver;
  let flatline: Flatline | undefined;
  beforeAll(async () => {
    smtp = await startTestSmtp();
    [receiver, operator] = await Promise.all([startWebhookReceiver(), startWebhookReceiver()]);
  });
  afterAll(async () => {
    await flatline?.killTree();
    await Promise.all([smtp.stop(), receiver.stop(), operator.stop()]);
    removeDataDir(dataDir);
  });

  it('holds no key but the first at the first start, no token, secret, password, address or body', async () => {
    const defaultSecret = `whsec_${Buffer.from('a default webhook secret of tests').toString('base64')}`;
    const env = {
      FLATLINE_BOOTSTRAP_API_KEY: '',
      LOG_LEVEL: 'trace',
      SMTP_URL: smtp.url.replace('smtp://', 'smtp://mailuser:mail-password-1@'),
      DEFAULT_ALERT_EMAIL: 'someone@private.example',
      DEFAULT_ALERT_WEBHOOK_URL: `${receiver.url}/default-webhook-path-secret`,
      DEFAULT_ALERT_WEBHOOK_SECRET: defaultSecret,
      OPERATOR_ALERT_EMAIL: 'operator@private.example',
      OPERATOR_ALERT_WEBHOOK_URL: `${operator.url}/operator-path-secret`,
      OPERATOR_ALERT_WEBHOOK_SECRET: defaultSecret,
      DISK_FREE_ALERT_MB: '1000000000', // no disk has as much, so that an alert is on its way
      SELF_HEARTBEAT_URL: `${operator.url}/self-heartbeat-path-secret`,
    };
    flatline = await startFlatline({ dataDir, env });
    await flatline.ready();
    const key = /flk_[A-Za-z0-9_-]{40,}/.exec(await flatline.process.line(/API key/))![0];
    const admin = new ApiSession(flatline.baseUrl, key);
    const api = await admin.createProject('project of secrets');
    const hook = await api.call('POST', '/channels', {
      kind: 'webhook',
      name: 'pager',
      settings: { url: `${receiver.url}/webhook-path-secret?x=webhook-query-secret` },
    });
    await api.call('POST', '/channels', { kind: 'email', name: 'mail', settings: { address: 'else@private.example' } });
    const heartbeat = await api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
    receiver.answerNext({ status: 500, body: 'body-of-a-webhook-answer' }, { status: 400 }, { failure: 'cut' });
    smtp.refuseNext({ code: 451, message: 'smtp-words-for-someone@private.example' });
    const path = `/v1/heartbeats/${heartbeat.token}/ping`;
    const body = 'body-of-a-ping';
    await sendRequest(flatline.baseUrl, { method: 'POST', path, body, headers: { 'user-agent': 'agent-of-a-ping' } });
    await eventually(() => {
      expect(receiver.requests.length).toBeGreaterThan(2);
      expect(smtp.offered).toBeGreaterThan(0);
    });
    // Refusals of every kind, each with something in it that must not be shown.
    const forged = `${heartbeat.token.slice(0, -1)}_`;
    await api.ping(forged);
    await api.call('GET', `/heartbeats/${heartbeat.token}`);
    await api.call('POST', '/heartbeats', { name: 7, token: 'token-in-a-body' });
    await api.call('PUT', `/heartbeats/${heartbeat.token}/ping`);
    await new ApiSession(flatline.baseUrl, 'tsk_live_wrong_key_of_somebody').call('GET', '/heartbeats');
    // What goes wrong inside is logged with its cause.
    process.kill(flatline.postgresPid!, 'SIGKILL');
    await api.call('GET', '/heartbeats');
    await api.ping(heartbeat.token);
    await eventually(async () => expect((await api.ping(heartbeat.token)).status).toBe(200), { withinMs: 20_000 });
    await eventually(
      () => {
        const paths = operator.requests.map(({ path }) => path);
        expect(paths).toEqual(expect.arrayContaining(['/operator-path-secret', '/self-heartbeat-path-secret']));
        expect(smtp.mails.map(({ envelopeTo }) => envelopeTo)).toContainEqual(['operator@private.example']);
      },
      { withinMs: 60_000 },
    );
    const password = readFileSync(join(dataDir, 'postgres.password'), 'utf8').trim();
    const tokenKeys = readFileSync(join(dataDir, 'ping-token-keys'), 'utf8').trim();
    await flatline.stop();
    const first = flatline.process.lines;
    flatline = await startFlatline({ dataDir, env });
    await flatline.ready();
    await flatline.stop();

    const logged = [...first.filter((line) => line.startsWith('{')), ...flatline.process.lines].join('\n');
    const everything = `${first.join('\n')}\n${flatline.process.lines.join('\n')}`;
    expect(logged.length).toBeGreaterThan(1_000);
    expect(logged.includes(key) ? 'the first key' : '').toBe('');
    const secrets = {
      'key of a project': api.key,
      token: heartbeat.token,
      'forged token': forged,
      'signing secret': (hook.json.secret as string).slice('whsec_'.length),
      'default signing secret': defaultSecret.slice('whsec_'.length),
      'path of a webhook': 'webhook-path-secret',
      'query of a webhook': 'webhook-query-secret',
      'answer of a webhook': 'body-of-a-webhook-answer',
      'password of Postgres': password,
      'keys of tokens': tokenKeys,
      'path of operator webhook': 'operator-path-secret',
      'path of self heartbeat': 'self-heartbeat-path-secret',
      'mail password': 'mail-password-1',
      'mail address': 'private.example',
      'wrong key': 'wrong_key_of_somebody',
      'body of a ping': body,
      'body of a request': 'token-in-a-body',
    };
    expect(Object.entries(secrets).filter(([, secret]) => everything.includes(secret))).toEqual([]);
  });
});
