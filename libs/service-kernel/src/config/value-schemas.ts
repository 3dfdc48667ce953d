import { z } from 'zod';
import { parsePingTokenKey } from './ping-token-keys';

/**
 * The kinds of value an environment variable can hold. Their messages say what is expected and never repeat what was
 * given: the value may be a secret that somebody put into the wrong variable.
 */

/** A whole number between two bounds, both allowed. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const expected = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,16}$/, expected)
    .transform(Number)
    .refine((value) => value >= min && value <= max, expected);
}

/** `true` or `false`, also written 1/0, yes/no, on/off. */
export const yesOrNo = z
  .string()
  .toLowerCase()
  .refine((text) => ['true', 'false', '1', '0', 'yes', 'no', 'on', 'off'].includes(text), 'must be true or false')
  .transform((text) => ['true', '1', 'yes', 'on'].includes(text));

/** An absolute URL with one of the given schemes (`http:`, …). */
export function urlWithScheme(...schemes: string[]) {
  return z
    .string()
    .refine(
      (text) => URL.canParse(text) && schemes.includes(new URL(text).protocol),
      `must be a URL that starts with ${schemes.map((scheme) => `${scheme}//`).join(' or ')}`,
    );
}

/** A comma-separated list; blanks around entries and empty entries are dropped. */
export function commaList() {
  return z.string().transform((text) =>
    text
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== ''),
  );
}

/** Brokers of a Kafka as `host:port`, comma-separated; IPv6 addresses stand in brackets. */
export const brokerList = commaList().refine(
  (entries) =>
    entries.length > 0 && entries.every((entry) => /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(entry)),
  'must be one or more host:port, separated by commas',
);

/** Base URLs of processes of ours, comma-separated. Nothing but host and port: what is asked for comes with each request. */
export const upstreamUrls = commaList().refine(
  (entries) =>
    entries.length > 0 &&
    entries.every((entry) => /^http:\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?\/?$/.test(entry)),
  'must be one or more http://host:port, separated by commas',
);

/** E-mail addresses, comma-separated. */
export const emailList = commaList().refine(
  (entries) => entries.length > 0 && entries.every((entry) => z.email().safeParse(entry).success),
  'must be one or more e-mail addresses, separated by commas',
);

/** The keyring of ping tokens, newest first. */
export const pingTokenKeyring = commaList()
  .transform((entries) => entries.map(parsePingTokenKey))
  .refine(
    (keys): keys is [Buffer, ...Buffer[]] => keys.length > 0 && keys.every((key) => key !== null),
    'must be one or more keys of at least 32 bytes in base64url, base64 or hex, separated by commas',
  );

/** A Standard Webhooks signing secret: `whsec_` and base64 of 24 to 64 bytes. */
export const webhookSecret = z.string().refine((text) => {
  if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(text)) return false;
  const bytes = Buffer.from(text.slice('whsec_'.length), 'base64').length;
  return bytes >= 24 && bytes <= 64;
}, 'must be whsec_ followed by base64 of 24 to 64 bytes');
