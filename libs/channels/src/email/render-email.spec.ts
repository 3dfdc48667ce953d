import { exampleFacts, unverified } from '../example-facts';
import { renderEmail } from './render-email';

const baseUrl = 'https://flatline.example.com/';

describe('the mail about a heartbeat that went down', () => {
  const mail = renderEmail(exampleFacts(), baseUrl);

  it('says it all in the subject', () => {
    expect(mail.subject).toBe('Down: nightly backup (no ping for 2 hours 5 minutes)');
  });

  it.each(['text', 'html'] as const)('answers the questions of three in the morning (%s)', (form) => {
    const body = mail[form];
    expect(body).toContain('nightly backup');
    expect(body).toContain('No ping for 2 hours 5 minutes: 2 in a row did not come.');
    expect(body).toContain('Mon 5 Jan 2026, 03:12:00 UTC');
    expect(body).toContain('Mon 5 Jan 2026, 01:07:00 UTC (2 hours 5 minutes earlier)');
    expect(body).toContain('a ping every hour, with 5 minutes of grace');
    expect(body).toContain('5f2c1c9e-9d4e-5a83-a3a5-4f1f0f3c2d11');
    expect(body).toContain('https://flatline.example.com/v1/heartbeats/0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a/incidents');
  });

  it('promises one more message', () => {
    const promise = 'There will be one more message when it is up again, unless it is paused or deleted before.';
    for (const form of [mail.text, mail.html]) expect(form).toContain(promise);
  });
});

describe('the mail about a recovery', () => {
  const mail = renderEmail(exampleFacts({ transition: 'recovered' }), baseUrl);

  it('says how long it was down', () => {
    expect(mail.subject).toBe('Up again: nightly backup (was down for 14 minutes 10 seconds)');
    expect(mail.text).toContain('A ping came at 03:26:10 UTC, after 14 minutes 10 seconds down.');
  });

  it('apologises when the ping had come in time', () => {
    const raised = renderEmail(exampleFacts({ transition: 'recovered', incident: { raisedInError: true } }), baseUrl);
    expect(raised.subject).toBe('Up again: nightly backup (raised in error, the ping had come in time)');
    for (const form of [raised.text, raised.html]) expect(form).toContain('The alarm was raised in error');
  });

  it('belongs to the same thread as the mail about going down', () => {
    expect(mail.threadId).toBe(renderEmail(exampleFacts(), baseUrl).threadId);
  });
});

describe('the mail about a heartbeat that could not be verified', () => {
  const mail = renderEmail(exampleFacts({ incident: unverified }), baseUrl);

  it('does not say that it is down', () => {
    expect(mail.subject).toBe('Unverified: nightly backup (no ping for 2 hours 5 minutes, and we were away)');
    expect(mail.text).toMatch(/^nightly backup could not be verified\./);
    for (const form of [mail.text, mail.html]) expect(form).not.toMatch(/\bdown\b/i);
  });

  it.each(['text', 'html'] as const)('says when we were away (%s)', (form) => {
    expect(mail[form]).toContain('Flatline was away from 02:40:00 to 03:02:30 UTC');
    expect(mail[form]).toContain('Unverified since');
  });

  it('is followed by one that does not say either that it was down', () => {
    const recovery = renderEmail(exampleFacts({ transition: 'recovered', incident: unverified }), baseUrl);
    expect(recovery.subject).toContain('(was unverified for 14 minutes 10 seconds)');
    for (const form of [recovery.text, recovery.html]) expect(form).not.toMatch(/\bdown\b/i);
  });
});

describe('a mail about a heartbeat with a hostile name', () => {
  const hostile = `<img src=x onerror=alert(1)>"'&\r\nBcc: everyone@example.com\u202e`;
  const mail = renderEmail(exampleFacts({ heartbeat: { name: hostile } }), baseUrl);

  it('has a subject of one line', () => {
    expect(mail.subject).not.toMatch(/[\r\n\u202e]/);
  });

  it('escapes the name wherever it stands in the HTML', () => {
    expect(mail.html).not.toContain('<img');
    expect(mail.html.match(/&lt;img src=x onerror=alert\(1\)&gt;&quot;&#39;&amp;/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it('cuts a long name in the subject and not in the text', () => {
    const long = renderEmail(exampleFacts({ heartbeat: { name: 'ü'.repeat(200) } }), baseUrl);
    expect(Array.from(long.subject).length).toBeLessThan(150);
    expect(long.text).toContain('ü'.repeat(200));
  });
});
