import { Webhook } from 'standardwebhooks';
import { isWebhookSecret, newWebhookSecret, signWebhook } from './webhook-signature';

describe('webhook signatures', () => {
  const body = JSON.stringify({ name: 'Größe 🚀' });
  const nowSecs = Math.floor(Date.now() / 1_000);

  it('are accepted by the reference library of Standard Webhooks', () => {
    const secret = newWebhookSecret();
    const headers = {
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(nowSecs),
      'webhook-signature': signWebhook(secret, 'msg_1', nowSecs, body),
    };
    expect(new Webhook(secret).verify(body, headers)).toEqual({ name: 'Größe 🚀' });
    expect(() => new Webhook(secret).verify(`${body} `, headers)).toThrow('No matching signature');
  });

  it('are the same as those of the reference library', () => {
    const secret = newWebhookSecret();
    expect(signWebhook(secret, 'msg_1', nowSecs, body)).toBe(
      new Webhook(secret).sign('msg_1', new Date(nowSecs * 1_000), body),
    );
  });

  it('need a secret of 16 to 64 bytes in base64, with the prefix or without', () => {
    expect(isWebhookSecret(newWebhookSecret())).toBe(true);
    expect(isWebhookSecret(newWebhookSecret().replace('whsec_', ''))).toBe(true);
    expect(isWebhookSecret('whsec_c2hvcnQ=')).toBe(false);
    expect(isWebhookSecret('not base64 at all, but long enough')).toBe(false);
    expect(isWebhookSecret('')).toBe(false);
  });

  it('use a new secret every time', () => {
    expect(newWebhookSecret()).not.toBe(newWebhookSecret());
  });
});
