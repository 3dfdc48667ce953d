import type { HttpAdapter } from './http-adapter';

/** How long open requests may take to finish once we stop; then their connections are closed. */
const DRAIN_MS = 3_000;
const REAP_MS = 50;
const RETRY_AFTER_SECONDS = '2';

/** Answers what is open, turns new requests away, and is done when the last connection has ended or after `drainMs`. */
export async function closeServer(adapter: HttpAdapter, drainMs: number = DRAIN_MS): Promise<void> {
  const { server } = adapter.fastify;
  // What comes now on a connection that is open is refused by the framework, which does not say when to try again.
  server.prependListener('request', (_request, response) => response.setHeader('retry-after', RETRY_AFTER_SECONDS));
  // A connection kept alive would be idle again only after its last answer; nothing else ends it then.
  const reaper = setInterval(() => server.closeIdleConnections(), REAP_MS);
  const deadline = setTimeout(() => server.closeAllConnections(), drainMs);
  try {
    await adapter.close();
  } finally {
    clearInterval(reaper);
    clearTimeout(deadline);
  }
}
