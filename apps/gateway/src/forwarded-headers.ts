import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** About one connection, not about the message (RFC 9110, 7.6.1); `expect` was answered by our own server. */
const HOP_BY_HOP = new Set([
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * The headers of a request as they are sent on, `[name, value, …]`: without those of the connection, with the caller's
 * address added to X-Forwarded-For and, unless a proxy in front of us has said it, the protocol.
 */
export function requestHeaders(
  headers: IncomingHttpHeaders,
  { remoteAddress, hasBody }: { remoteAddress: string | undefined; hasBody: boolean },
): string[] {
  const named = connectionNames(headers.connection);
  const sent: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || HOP_BY_HOP.has(name) || named?.has(name)) continue;
    // Without a body there is nothing to measure; the client sets what is needed.
    if (name === 'x-forwarded-for' || (name === 'content-length' && !hasBody)) continue;
    if (typeof value === 'string') sent.push(name, value);
    else for (const each of value) sent.push(name, each);
  }
  const before = headers['x-forwarded-for'];
  const chain = [before, remoteAddress].filter((part) => part !== undefined && part !== '').join(', ');
  if (chain !== '') sent.push('x-forwarded-for', chain);
  if (headers['x-forwarded-proto'] === undefined) sent.push('x-forwarded-proto', 'http');
  return sent;
}

/** The headers of an answer as they are passed back. */
export function answerHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = connectionNames(headers.connection);
  const passed: OutgoingHttpHeaders = {};
  for (const name in headers) if (!HOP_BY_HOP.has(name) && !named?.has(name)) passed[name] = headers[name];
  return passed;
}

/** What a Connection header says belongs to the connection, too. */
function connectionNames(connection: string | undefined): ReadonlySet<string> | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null;
  return new Set(
    connection
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
}
