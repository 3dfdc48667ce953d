import { ADMIN_KEY, ApiSession, eventually, startTestSmtp, useFlatline } from '@flatline/test-kit';
import type { TestSmtp } from '@flatline/test-kit';

let smtp: TestSmtp;
beforeAll(async () => {
  smtp = await startTestSmtp();
});
afterAll(() => smtp.stop());

describe('an alert by e-mail', () => {
  const flatline = useFlatline(() => ({
    SMTP_URL: smtp.url,
    DEFAULT_ALERT_EMAIL: 'ops@example.org, boss@example.org',
    ALERT_EMAIL_FROM: 'Flatline <flatline@example.org>',
  }));

  it('reaches every default address, in text and HTML, one down and one recovery in one thread', async () => {
    const api = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    const heartbeat = await api.create({ name: 'Büro <Keller> & Co', interval_secs: 2, grace_secs: 1 });
    smtp.refuseNext({ code: 451, message: 'greylisted, come back' });
    await api.ping(heartbeat.token);
    const arrived = (count: number) =>
      eventually(() => expect(smtp.mails).toHaveLength(count), { withinMs: 30_000 }).then(() => smtp.mails);
    const downs = [...(await arrived(2))];
    await api.call('PATCH', `/heartbeats/${heartbeat.id}`, { interval_secs: 3600 });
    await api.ping(heartbeat.token);
    const ups = (await arrived(4)).slice(2);

    for (const [mails, subject] of [
      [downs, /^Down: Büro <Keller> & Co/],
      [ups, /^Up again: Büro <Keller> & Co/],
    ] as const) {
      expect(mails.map(({ envelopeTo }) => envelopeTo[0]).sort()).toEqual(['boss@example.org', 'ops@example.org']);
      for (const mail of mails) {
        expect(mail).toMatchObject({ envelopeFrom: 'flatline@example.org', subject: expect.stringMatching(subject) });
        expect(mail.envelopeTo).toHaveLength(1);
        expect(mail.text).toContain(heartbeat.id);
        expect(mail.html).toContain('Büro &lt;Keller&gt; &amp; Co');
        expect(mail.messageId).toMatch(/^<.+@.+>$/);
        expect(mail.raw).not.toContain(heartbeat.token);
      }
    }
    const ids = smtp.mails.map(({ messageId }) => messageId);
    expect(new Set(ids).size).toBe(4);
    expect(smtp.offered).toBe(5);
  });

  it('goes to a channel of its own as well', async () => {
    const admin = new ApiSession(flatline.baseUrl, ADMIN_KEY);
    const api = await admin.createProject('with a channel');
    const channel = await api.call('POST', '/channels', {
      kind: 'email',
      name: 'team',
      settings: { address: 'team@example.org' },
    });
    expect(channel.status).toBe(201);
    expect(channel.json).not.toHaveProperty('secret');
    const heartbeat = await api.create({ interval_secs: 1, grace_secs: 0, alert_after_misses: 1 });
    await api.ping(heartbeat.token);
    await eventually(() => {
      const about = smtp.mails.filter(({ text }) => text.includes(heartbeat.id));
      expect(about.map(({ envelopeTo }) => envelopeTo[0])).toContain('team@example.org');
    });
  });
});
