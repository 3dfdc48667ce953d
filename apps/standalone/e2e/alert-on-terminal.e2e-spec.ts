import { ADMIN_KEY, ApiSession, eventually, startWebhookReceiver, useFlatline } from '@flatline/test-kit';

const flatline = useFlatline({ ALLOW_PRIVATE_WEBHOOK_TARGETS: '' });

describe('an alert when nothing is configured', () => {
  it('is a plain line on the terminal, one for down and one for up again', async () => {
    const api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    const name = 'backup of \u202e evil \u2028 names';
    const heartbeat = await api.create({ name, interval_secs: 2, grace_secs: 1 });
    await api.ping(heartbeat.token);
    const printed = (word: string) => flatline.process.lines.filter((line) => line.includes(`  ${word}  `));
    await eventually(() => expect(printed('DOWN')).toHaveLength(1));
    await api.call('PATCH', `/heartbeats/${heartbeat.id}`, { interval_secs: 3600 });
    await api.ping(heartbeat.token);
    await eventually(() => expect(printed('UP AGAIN')).toHaveLength(1));
    for (const [line] of [printed('DOWN'), printed('UP AGAIN')]) {
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z {2}/);
      expect(line).toContain(heartbeat.id);
      for (const trick of ['\u202e', '\u2028', '\u001b']) expect(line).not.toContain(trick);
    }
    expect(printed('DOWN')).toHaveLength(1);
  });

  /** Guarded by `outliveReaders` in libs/service-kernel: Node ends a process whose output nobody reads. */
  it('that nobody can read any more ends nothing', async () => {
    const api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    flatline.process.child.stdout?.destroy();
    const heartbeat = await api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
    await api.ping(heartbeat.token);
    await eventually(async () => {
      const metrics = await (await fetch(`${flatline.baseUrl}/metrics`)).text();
      expect(metrics).toMatch(
        /flatline_deliveries_total\{[^}]*channel="terminal"[^}]*outcome="retryable"[^}]*\} [1-9]/,
      );
    });
    expect((await fetch(`${flatline.baseUrl}/readyz`)).status).toBe(200);
  });
});

describe('a webhook to a private place', () => {
  it.each([
    'http://127.0.0.1:1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://localhost/',
    'http://sub.localhost./',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://10.0.0.1/',
    'http://192.168.1.1/',
    'http://172.16.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://100.64.0.1/',
    'http://0.0.0.0/',
    'http://[fd00::1]/',
    'http://[fe80::1]/',
  ])('is refused unless it is allowed: %s', async (url) => {
    const api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    const answer = await api.call('POST', '/channels', { kind: 'webhook', name: 'x', settings: { url } });
    expect(answer).toMatchObject({ status: 422, json: { error: expect.stringContaining('settings.url') } });
  });
});

describe('a default webhook to a private place', () => {
  let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>;
  beforeAll(async () => {
    receiver = await startWebhookReceiver();
  });
  afterAll(() => receiver.stop());
  const refusing = useFlatline(() => ({
    ALLOW_PRIVATE_WEBHOOK_TARGETS: 'false',
    DEFAULT_ALERT_WEBHOOK_URL: `http://localhost:${receiver.port}/`,
  }));

  it('is not called, whatever its name resolves to', async () => {
    const api = new ApiSession(refusing.baseUrl, ADMIN_KEY);
    const heartbeat = await api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
    await api.ping(heartbeat.token);
    await eventually(async () => {
      const metrics = await (await fetch(`${refusing.baseUrl}/metrics`)).text();
      expect(metrics).toMatch(/flatline_deliveries_total\{[^}]*channel="webhook"[^}]*\} [1-9]/);
    });
    expect(receiver.requests).toEqual([]);
  });
});
