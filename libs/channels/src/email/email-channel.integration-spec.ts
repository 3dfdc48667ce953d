import { startTestSmtp } from '@flatline/test-kit';
import type { TestSmtp } from '@flatline/test-kit';
import { exampleFacts } from '../example-facts';
import type { IncidentFacts } from '../incident-facts';
import type { SendOutcome } from '../send-outcome';
import { createEmailChannel } from './email-channel';

const KEY = '0192d3f0-7a10-5c3e-9b1a-0000000000aa';
let smtp: TestSmtp;
let email: ReturnType<typeof createEmailChannel>;

beforeEach(async () => {
  smtp = await startTestSmtp();
  email = createEmailChannel({
    smtpUrl: smtp.url,
    from: 'Flatline <flatline@example.com>',
    publicBaseUrl: 'https://flatline.example.com',
  });
});
afterEach(async () => {
  await email.close();
  await smtp.stop();
});

function send(facts: IncidentFacts = exampleFacts(), idempotencyKey = KEY): Promise<SendOutcome> {
  return email.send(email.render(facts), {
    settings: { address: 'oncall@example.org' },
    secret: null,
    idempotencyKey,
  });
}

describe('a mail', () => {
  it('arrives as text and HTML with a Message-ID made of the notification', async () => {
    expect(await send()).toMatchObject({ outcome: 'delivered' });
    const [mail] = smtp.mails;
    expect(mail).toMatchObject({
      envelopeFrom: 'flatline@example.com',
      envelopeTo: ['oncall@example.org'],
      from: '"Flatline" <flatline@example.com>',
      subject: 'Down: nightly backup (no ping for 2 hours 5 minutes)',
      messageId: `<${KEY}@flatline.example.com>`,
    });
    expect(mail?.text).toContain('nightly backup is down.');
    expect(mail?.html).toContain('<h1');
    expect(mail?.headers.get('auto-submitted')).toBe('auto-generated');
  });

  it('about a recovery refers to the same thread as the one about going down', async () => {
    await send(exampleFacts(), 'down');
    await send(exampleFacts({ transition: 'recovered' }), 'recovered');
    const references = smtp.mails.map(({ headers }) => headers.get('references'));
    expect(references[0]).toBeTruthy();
    expect(references[1]).toBe(references[0]);
  });

  it.each(['a\r\nBcc: everyone@example.com', 'a\nX-Evil: 1', '=?utf-8?q?x?=\u2028Subject: y'])(
    'cannot be given headers by the name %j',
    async (name) => {
      await send(exampleFacts({ heartbeat: { name } }));
      const [mail] = smtp.mails;
      expect(mail?.envelopeTo).toEqual(['oncall@example.org']);
      expect([...(mail?.headers.keys() ?? [])]).not.toEqual(expect.arrayContaining(['bcc']));
      expect([...(mail?.headers.keys() ?? [])]).not.toEqual(expect.arrayContaining(['x-evil']));
    },
  );

  it('shows a name of any script in its subject', async () => {
    await send(exampleFacts({ heartbeat: { name: 'قاعدة 数据库 🚀 Größe' } }));
    expect(smtp.mails[0]?.subject).toContain('قاعدة 数据库 🚀 Größe');
  });

  it('goes over few connections when there are many', async () => {
    const ended = await Promise.all(Array.from({ length: 300 }, (_, n) => send(exampleFacts(), `n-${n}`)));
    expect(ended.every(({ outcome }) => outcome === 'delivered')).toBe(true);
    expect(new Set(smtp.mails.map(({ messageId }) => messageId)).size).toBe(300);
  });

  it('is sent over a new connection after the server came back', async () => {
    await send();
    const { port } = smtp;
    await smtp.stop();
    expect(await send()).toMatchObject({ outcome: 'retryable' });
    smtp = await startTestSmtp({ port });
    expect(await send()).toMatchObject({ outcome: 'delivered' });
  });

  it.each([
    [421, 'retryable'],
    [450, 'retryable'],
    [452, 'retryable'],
    [550, 'permanent'],
    [552, 'permanent'],
    [554, 'permanent'],
  ])('refused with %d is %s', async (code, outcome) => {
    smtp.refuseNext({ code, message: 'no' });
    expect(await send()).toMatchObject({ outcome, reason: `the mail server answered ${code}` });
  });

  /** Guarded by `commandsAboutUs` in email-channel.ts: without it an alert is lost while a setting of ours is wrong. */
  it.each([
    ['MAIL', 550, 'retryable'], // a sender that this login may not use
    ['MAIL', 530, 'retryable'], // a login or TLS is asked for first
    ['RCPT', 530, 'retryable'],
    ['RCPT', 450, 'retryable'], // greylisted
    ['RCPT', 550, 'permanent'],
  ] as const)('refused at %s with %d is %s', async (at, code, outcome) => {
    smtp.refuseNext({ at, code, message: 'no' });
    const refused = await send();
    expect(refused).toMatchObject({ outcome, reason: `the mail server answered ${code}` });
    if (outcome === 'retryable') expect(refused).toMatchObject({ isAboutRecipient: code === 450 });
    expect(await send()).toMatchObject({ outcome: 'delivered' });
  });

  it('is not sent under a certificate that nobody trusts, and says so', async () => {
    const { port } = smtp;
    await smtp.stop();
    smtp = await startTestSmtp({ port, offersTls: true });
    const reason = expect.stringMatching(/^the certificate of the mail server is not trusted \(\w+\)$/) as unknown;
    expect(await send()).toMatchObject({ outcome: 'retryable', reason });
    expect(smtp.mails).toHaveLength(0);
  });

  it('waits for a mail server to be configured', async () => {
    const unconfigured = createEmailChannel({
      smtpUrl: null,
      from: 'Flatline <flatline@example.com>',
      publicBaseUrl: 'http://127.0.0.1:8080',
    });
    expect(unconfigured.missing).toContain('SMTP_URL');
    const outcome = await unconfigured.send(unconfigured.render(exampleFacts()), {
      settings: { address: 'oncall@example.org' },
      secret: null,
      idempotencyKey: KEY,
    });
    expect(outcome.outcome).toBe('retryable');
  });
});
