import { createHmac, randomBytes } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';
const SECRET_BYTES = 32;

/** A new signing secret in the form of Standard Webhooks: `whsec_` and 32 random bytes in base64. */
export function newWebhookSecret(): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

/** Whether a text can serve as a signing secret: base64 of 16 to 64 bytes, `whsec_` before it or not. */
export function isWebhookSecret(text: string): boolean {
  const encoded = withoutPrefix(text);
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.toString('base64') === encoded && bytes.length >= 16 && bytes.length <= 64;
}

/**
 * The `webhook-signature` header of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over id,
 * timestamp and the exact body.
 *
 * @param timestampSecs when this attempt is made, in epoch seconds; receivers refuse what is minutes old
 */
export function signWebhook(secret: string, id: string, timestampSecs: number, body: string): string {
  const key = Buffer.from(withoutPrefix(secret), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestampSecs}.${body}`, 'utf8').digest('base64')}`;
}

function withoutPrefix(secret: string): string {
  return secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret;
}
