import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { ChannelKind, SendTarget } from '../channel-kind';
import { permanent, retryable } from '../send-outcome';
import type { SendOutcome } from '../send-outcome';
import { isPublicAddress } from './public-address';
import { renderWebhook } from './render-webhook';
import type { WebhookMessage } from './render-webhook';
import { PrivateTarget, vettedLookup } from './vetted-lookup';
import type { ResolveAll } from './vetted-lookup';
import { judgeAnswer } from './webhook-answer';
import { literalAddress, webhookSettings } from './webhook-settings';
import type { WebhookSettings } from './webhook-settings';
import { signWebhook } from './webhook-signature';

export interface WebhookOptions {
  /** Connect to private, loopback and reserved addresses too. */
  readonly allowPrivateTargets: boolean;
  /** Epoch ms. */
  readonly now: () => number;
  /** Tests put a resolver of their own here. */
  readonly resolve?: ResolveAll;
  /** Longest attempt from name resolution to the answer's headers, in ms; default 10 000. */
  readonly sendLimitMs?: number;
}

const SEND_LIMIT_MS = 10_000;
/** To one receiver at once. */
const MAX_CONNECTIONS = 32;
/** Most of an answer's body that is read, in bytes; only its status counts, the rest is for keeping the connection. */
const ANSWER_MAX_BYTES = 65_536;
/** How long an answer's body may take, in ms, before its connection is given up. */
const ANSWER_BODY_LIMIT_MS = 2_000;
/** An unused connection is closed after this, in ms, sooner than most servers do it. */
const IDLE_CONNECTION_MS = 2_000;
const PRIVATE_TARGET = 'the target is not a public address (ALLOW_PRIVATE_WEBHOOK_TARGETS is not set)';

/** Webhooks by HTTP POST, signed by Standard Webhooks; `webhook-id` is the idempotency key. */
export function createWebhookChannel(options: WebhookOptions): ChannelKind<WebhookSettings, WebhookMessage> {
  const sendLimitMs = options.sendLimitMs ?? SEND_LIMIT_MS;
  const agentOptions = { keepAlive: true, timeout: IDLE_CONNECTION_MS, scheduling: 'lifo' } as const;
  const agents = { http: new HttpAgent(agentOptions), https: new HttpsAgent(agentOptions) };
  const connection: RequestOptions = options.allowPrivateTargets ? {} : { lookup: vettedLookup(options.resolve) };

  return {
    name: 'webhook',
    settings: webhookSettings,
    missing: null,
    sendLimitMs,
    concurrency: { limit: MAX_CONNECTIONS, isShared: false },
    render: renderWebhook,
    send: async ({ body }, target) => {
      const url = new URL(target.settings.url);
      const literal = literalAddress(url);
      if (literal && !options.allowPrivateTargets && !isPublicAddress(literal)) return permanent(PRIVATE_TARGET);
      const isTls = url.protocol === 'https:';
      const requestOptions: RequestOptions = {
        ...connection,
        method: 'POST',
        agent: isTls ? agents.https : agents.http,
        headers: headersOf(body, target, options.now()),
      };
      const open = () => (isTls ? httpsRequest(url, requestOptions) : httpRequest(url, requestOptions));
      return attempt(open, body, { sendLimitMs, signal: target.signal, now: options.now });
    },
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
      return Promise.resolve();
    },
  };
}

function headersOf(body: string, target: SendTarget<WebhookSettings>, now: number): Record<string, string | number> {
  const timestampSecs = Math.floor(now / 1_000);
  return {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'Flatline-Webhook/1',
    'webhook-id': target.idempotencyKey,
    'webhook-timestamp': timestampSecs,
    ...(target.secret === null
      ? {}
      : { 'webhook-signature': signWebhook(target.secret, target.idempotencyKey, timestampSecs, body) }),
  };
}

interface AttemptLimits {
  readonly sendLimitMs: number;
  readonly signal: AbortSignal | undefined;
  readonly now: () => number;
}

/**
 * One attempt: one request, no redirects. The answer's headers decide; its body is thrown away.
 *
 * A kept connection may have been closed by the receiver just as it is used again; that says nothing about the
 * receiver, so the request is repeated at once on another one, under the same id.
 */
function attempt(open: () => ClientRequest, body: string, limits: AttemptLimits): Promise<SendOutcome> {
  return new Promise((resolve) => {
    let request: ClientRequest;
    const end = (outcome: SendOutcome): void => {
      clearTimeout(timer);
      limits.signal?.removeEventListener('abort', abort);
      resolve(outcome);
    };
    const giveUp = (reason: string): void => {
      end(retryable(reason));
      request.destroy();
    };
    const abort = (): void => giveUp('interrupted');
    const start = (): void => {
      const current = open();
      request = current;
      current.on('response', (response) => {
        end(judgeAnswer(response.statusCode ?? 0, response.headers['retry-after'], limits.now()));
        discard(response);
      });
      current.on('error', (error: Error & { code?: string }) => {
        if (current.reusedSocket && !current.destroyed && closedByPeer.has(error.code ?? '')) start();
        else end(retryable(describeFailure(error)));
      });
      current.end(body);
    };
    const timer = setTimeout(() => giveUp(`no answer within ${limits.sendLimitMs / 1_000} s`), limits.sendLimitMs);
    limits.signal?.addEventListener('abort', abort, { once: true });
    start();
    if (limits.signal?.aborted) abort();
  });
}

const closedByPeer = new Set(['ECONNRESET', 'EPIPE']);

/** Reads the body away so that the connection can serve again, unless it is large or slow: then it is cut. */
function discard(response: IncomingMessage): void {
  let read = 0;
  const timer = setTimeout(() => response.destroy(), ANSWER_BODY_LIMIT_MS).unref();
  response.on('data', (chunk: Buffer) => {
    read += chunk.length;
    if (read > ANSWER_MAX_BYTES) response.destroy();
  });
  response.on('error', () => undefined); // the outcome is known; what becomes of the rest does not matter
  response.on('close', () => clearTimeout(timer));
}

/** Names a failure by its code: messages of Node hold addresses and host names. */
function describeFailure(error: Error & { code?: string }): string {
  if (error instanceof PrivateTarget) return PRIVATE_TARGET;
  switch (error.code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name cannot be resolved (${error.code})`;
    case 'ECONNREFUSED':
      return 'the connection was refused';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was closed before an answer';
    default:
      return `the request failed (${error.code ?? error.name})`;
  }
}
