import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { CANARY_PATH, INSTALLATION_HEADER } from './canary-route';

/** How a call ended: an ingest of this installation answered, somebody else did, or nobody in time. */
export type CanaryAnswer = 'answered' | 'wrong_answer' | 'no_answer';

export interface CanaryTarget {
  /** Where jobs reach this installation, as in CANARY_URL. */
  readonly baseUrl: string;
  /** What an ingest of this installation answers with. */
  readonly installation: string;
  readonly timeoutMs: number;
}

/**
 * Calls an ingest as a job would: a connection of its own, no redirects followed. Never throws. Any ingest of this
 * installation may answer, because a front sends a call to any of them.
 */
export function callCanary({ baseUrl, installation, timeoutMs }: CanaryTarget): Promise<CanaryAnswer> {
  const url = new URL(baseUrl.replace(/\/+$/, '') + CANARY_PATH);
  const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const request = open(url, { agent: false, signal: AbortSignal.timeout(timeoutMs) });
    request.once('response', (response: IncomingMessage) => {
      const isOurs = response.statusCode === 200 && response.headers[INSTALLATION_HEADER] === installation;
      resolve(isOurs ? 'answered' : 'wrong_answer');
      request.destroy();
    });
    request.on('error', () => resolve('no_answer'));
    request.end();
  });
}
