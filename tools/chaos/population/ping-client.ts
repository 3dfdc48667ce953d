import { request } from 'node:http';

/** What came of one attempt to ping. */
export interface PingAnswer {
  /** HTTP status; null: there was no answer. */
  readonly status: number | null;
  readonly pingId: string | null;
}

/**
 * One attempt as a job makes it, `curl --max-time` on a connection of its own. Never throws.
 *
 * @param timeoutMs in all
 */
export function pingOnce(url: string, timeoutMs: number): Promise<PingAnswer> {
  return new Promise((resolve) => {
    const none = (): void => resolve({ status: null, pingId: null });
    const outgoing = request(url, { method: 'POST', agent: false, signal: AbortSignal.timeout(timeoutMs) });
    outgoing.once('error', none);
    outgoing.once('response', (response) => {
      response.once('error', none);
      response.once('aborted', none);
      response.once('end', () => {
        const id = response.headers['ping-id'];
        resolve({ status: response.statusCode ?? null, pingId: typeof id === 'string' ? id : null });
      });
      response.resume();
    });
    outgoing.end();
  });
}
