import { z } from 'zod';
import { parsePingTokenKey } from './ping-token-keys';

/**
 * The kinds of value an environment variable can hold. Their messages say what is expected and never repeat what was
 * given: the value may be a secret that somebody put into the wrong variable.
 */

/** A whole number between two bounds, both allowed. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const upTo = max === Number.MAX_SAFE_INTEGER ? ' up' : ` to ${max}`;
  const expected = `must be a whole number from ${min}${upTo}`;
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

/**
 * The URL that a text is, as it stands, or null: with one of the schemes (`http:`, …) and two slashes, because `new URL`
 * also takes `http:x` and drops blanks that others who read the text stumble over.
 */
function urlIn(text: string, schemes: readonly string[]): URL | null {
  if (!schemes.some((scheme) => text.toLowerCase().startsWith(`${scheme}//`))) return null;
  if (/\s/.test(text) || !URL.canParse(text)) return null;
  const url = new URL(text);
  try {
    decodeURIComponent(url.username + url.password);
    return url;
  } catch {
    return null; // a stray %, over which whoever logs in with it would stumble
  }
}

const startOf = (schemes: readonly string[]): string => schemes.map((scheme) => `${scheme}//`).join(' or ');

/** A server and how to log in to it. `postgres:///db?host=/run/postgresql` names none: a socket is meant. */
export function serverUrl(...schemes: string[]) {
  return z.string().refine(
    (text) => {
      const url = urlIn(text, schemes);
      return url !== null && (url.hostname !== '' || url.searchParams.has('host'));
    },
    `must be a URL that starts with ${startOf(schemes)} and names a host; ` +
      'special characters of user and password are percent-encoded',
  );
}

/** As {@link serverUrl}; what follows the host can only be the number of a database. */
export const redisUrl = serverUrl('redis:', 'rediss:').refine(
  (text) => /^(\/\d*)?$/.test(urlIn(text, ['redis:', 'rediss:'])?.pathname ?? ''),
  'must be redis://host:port, or redis://host:port/1 with the number of a database',
);

const WEB = ['http:', 'https:'];

/** An absolute http or https URL. */
export const webUrl = z
  .string()
  .refine((text) => urlIn(text, WEB) !== null, `must be a URL that starts with ${startOf(WEB)}`);

/** The same without a login: for what is shown to people, and for `fetch`, which takes none. */
export function withoutLogin(schema: z.ZodType<string, string>) {
  return schema.refine((text) => {
    const url = urlIn(text, WEB);
    return url === null || url.username + url.password === '';
  }, 'must be a URL without user and password');
}

/** What ping URLs and routes are put behind: `https://flatline.example.org`. */
export const baseUrl = webUrl.refine((text) => {
  const url = urlIn(text, WEB);
  return url === null || (!/[?#]/.test(text) && !/\/v1\/*$/.test(url.pathname));
}, 'must be a base URL: without ? and #, and without the /v1 that routes begin with');

/** A path, as it stands. */
export const filePath = z
  .string()
  .refine((text) => text === text.trim(), 'must be a path that neither begins nor ends with a blank');

/** A comma-separated list; blanks around entries and empty entries are dropped. */
export function commaList() {
  return z.string().transform((text) =>
    text
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== ''),
  );
}

/** Whether the port at the end of a host, if there is one, is one that exists. */
function hasRealPort(entry: string): boolean {
  const port = /:(\d+)\/?$/.exec(entry.replace(/\[.*\]/, ''))?.[1];
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}

/** Brokers of a Kafka as `host:port`, comma-separated; IPv6 addresses stand in brackets. */
export const brokerList = commaList().refine(
  (entries) =>
    entries.length > 0 &&
    entries.every((entry) => /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(entry) && hasRealPort(entry)),
  'must be one or more host:port, separated by commas',
);

/** Base URLs of processes of ours, comma-separated. Nothing but host and port: what is asked for comes with each request. */
export const upstreamUrls = commaList().refine(
  (entries) =>
    entries.length > 0 &&
    entries.every(
      (entry) => /^http:\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?\/?$/.test(entry) && hasRealPort(entry),
    ),
  'must be one or more http://host:port, separated by commas',
);

/** E-mail addresses, comma-separated. */
export const emailList = commaList().refine(
  (entries) => entries.length > 0 && entries.every((entry) => z.email().safeParse(entry).success),
  'must be one or more e-mail addresses, separated by commas',
);

const ADDRESS = '[^\\s<>@",;:\\\\]+@[\\p{L}\\p{N}.-]+';
const NAME = '"[^"\\\\\\p{Cc}]*" *|[^"<>@,;:\\\\()\\p{Cc}]*';

/** Who mails come from: one address, or a name and one in angle brackets. */
export const mailbox = z
  .string()
  .max(320)
  .regex(
    new RegExp(`^(?:${ADDRESS}|(?:${NAME})<${ADDRESS}>)$`, 'u'),
    'must be one e-mail address, or a name and one as in: Flatline <flatline@example.org>',
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
