import { isIP } from 'node:net';
import { z } from 'zod';

const URL_MAX_LENGTH = 2_048;

/** Where a webhook is sent: an absolute http or https URL. User and password in it are sent as basic credentials. */
export const webhookSettings = z.object({
  url: z
    .string()
    .max(URL_MAX_LENGTH, `must be at most ${URL_MAX_LENGTH} characters long`)
    .refine(isHttpUrl, 'must be an absolute http:// or https:// URL')
    .meta({ pattern: '^[Hh][Tt][Tt][Pp][Ss]?://', examples: ['https://hooks.example.org/flatline'] }),
});
export type WebhookSettings = z.infer<typeof webhookSettings>;

function isHttpUrl(text: string): boolean {
  // Control characters and halves of surrogate pairs, which the parser would quietly take out or replace.
  if (/[\p{Cc}\p{Cs}]/u.test(text) || !URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if ((protocol !== 'http:' && protocol !== 'https:') || hostname === '') return false;
  try {
    decodeURIComponent(username + password); // Node decodes both for the Authorization header
    return true;
  } catch {
    return false; // a stray % that would make every attempt throw
  }
}

/** The IP address a URL names literally, without brackets, or null when it names a host. */
export function literalAddress(url: URL): string | null {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return isIP(host) === 0 ? null : host;
}
