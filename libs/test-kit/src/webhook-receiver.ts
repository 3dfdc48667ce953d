import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  method: string;
  /** Path and query. */
  path: string;
  headers: IncomingHttpHeaders;
  /** The exact bytes, as text; signatures are over these. */
  body: string;
  /** Epoch ms at which the last byte was read. */
  receivedAt: number;
}

export interface WebhookAnswer {
  /** Default 204. */
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  /** Wait this long before answering. */
  delayMs?: number;
  /** `hang`: read the request and never answer; `cut`: close the connection without an answer. */
  failure?: 'hang' | 'cut';
}

export interface WebhookReceiver {
  /** `http://127.0.0.1:<port>`; every path is answered. */
  url: string;
  port: number;
  /** In the order in which they were read, oldest first. */
  requests: ReceivedRequest[];
  /** Answers the next requests with these, one each; then the standing answer again. */
  answerNext(...answers: WebhookAnswer[]): void;
  /** Sets the standing answer. A function is asked for each request. */
  answerWith(answer: WebhookAnswer | ((request: ReceivedRequest) => WebhookAnswer)): void;
  /** Closes the port and every connection. */
  stop(): Promise<void>;
}

/** Starts an HTTP server on loopback that keeps what it is sent and answers as told. */
export async function startWebhookReceiver(options: { port?: number } = {}): Promise<WebhookReceiver> {
  const requests: ReceivedRequest[] = [];
  const queued: WebhookAnswer[] = [];
  let standing: (request: ReceivedRequest) => WebhookAnswer = () => ({});

  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('error', () => undefined); // the sender hung up
    incoming.on('end', () => {
      const request = describe(incoming, chunks);
      requests.push(request);
      answer(response, queued.shift() ?? standing(request));
    });
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    answerNext: (...answers) => void queued.push(...answers),
    answerWith: (next) => {
      standing = typeof next === 'function' ? next : () => next;
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function describe(incoming: IncomingMessage, chunks: Buffer[]): ReceivedRequest {
  return {
    method: incoming.method ?? '',
    path: incoming.url ?? '',
    headers: incoming.headers,
    body: Buffer.concat(chunks).toString('utf8'),
    receivedAt: Date.now(),
  };
}

function answer(response: ServerResponse, { status = 204, headers, body, delayMs = 0, failure }: WebhookAnswer): void {
  if (failure === 'hang') return;
  if (failure === 'cut') {
    response.destroy();
    return;
  }
  setTimeout(() => response.writeHead(status, headers).end(body), delayMs);
}
