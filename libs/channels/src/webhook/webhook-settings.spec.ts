import { webhookSettings } from './webhook-settings';

describe('webhook settings', () => {
  it.each(['https://example.com/hook?x=1', 'http://user:p%40ss@example.com:8080/', 'https://[2606:4700::1111]/'])(
    'take %s',
    (url) => {
      expect(webhookSettings.parse({ url })).toEqual({ url });
    },
  );

  it.each([
    '',
    'example.com/hook',
    'ftp://example.com',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http://',
    'http://%zz@example.com',
    'https://example.com/\u0000',
    'https://exam\nple.com/',
    'https://example.com/\ud800',
    `https://example.com/${'x'.repeat(2_048)}`,
    null,
    7,
  ])('refuse %p', (url) => {
    expect(webhookSettings.safeParse({ url }).success).toBe(false);
  });
});
