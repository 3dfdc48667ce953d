import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Problem, problemBody } from '@flatline/service-kernel';
import type { Dispatcher } from 'undici';
import { answerHeaders, requestHeaders } from './forwarded-headers';
import { Gathered } from './gathered';
import type { ForwardOutcome } from './gateway-metrics';
import type { Upstream } from './upstream';
import type { UpstreamGroup } from './upstream-group';

const NO_ANSWER = new Problem(504, 'no answer in time, try again', { headers: { 'retry-after': '1' } });

/** No service of ours looks at the body of these. */
const BODYLESS = new Set(['GET', 'HEAD', 'TRACE']);

/**
 * One request on its way through, and its answer on the way back; neither is held in memory or looked into.
 *
 * A request is offered to one process after another only while nothing of it has been sent (no connection came about).
 * What may have been received is never sent again: a ping must not count twice because we were not sure, and whoever
 * called is told 503 or 504 and tries again, as with a service itself.
 */
export class Forwarding implements Dispatcher.DispatchHandler {
  private readonly tried = new Set<Upstream>();
  private upstream: Upstream | null = null;
  /** Of the connection it is being sent on; null as long as nothing was sent. */
  private controller: Dispatcher.DispatchController | null = null;
  private body: Gathered | null = null;
  private deadline: NodeJS.Timeout | undefined;
  private isAnswered = false;
  private isOver = false;
  private startedAt = 0;

  constructor(
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly group: UpstreamGroup,
  ) {}

  begin(): void {
    this.startedAt = performance.now();
    this.response.once('close', () => this.callerIsGone());
    if (hasBody(this.request)) this.body = this.openBody();
    else this.startTheClock();
    this.offer();
  }

  /** Offers the request to the next process, if there is one. */
  private offer(): void {
    const upstream = this.group.pick(this.tried);
    if (!upstream) {
      this.refuse('unavailable', Problem.unavailable());
      return;
    }
    if (this.tried.size > 0) this.group.metrics.retries.inc({ to: this.group.name });
    this.tried.add(upstream);
    this.upstream = upstream;
    upstream.inFlight += 1;
    const { method = 'GET', url = '/', headers, socket } = this.request;
    upstream.pool.dispatch(
      {
        method: method as Dispatcher.HttpMethod,
        path: url,
        headers: requestHeaders(headers, { remoteAddress: socket.remoteAddress, hasBody: this.body !== null }),
        body: this.body,
        // The client's caution about answers to HEAD would cost a connection each.
        ...(method === 'HEAD' && { reset: false }),
      },
      this,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.isOver) controller.abort(new Error('over before it was sent'));
    else this.controller = controller;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (statusCode < 200) return;
    if (this.isOver) {
      controller.abort(new Error('over before it was answered'));
      return;
    }
    clearTimeout(this.deadline);
    this.isAnswered = true;
    const { metrics, name } = this.group;
    metrics.seconds.observe({ to: name }, (performance.now() - this.startedAt) / 1000);
    this.response.writeHead(statusCode, statusMessage, answerHeaders(headers));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isOver || this.response.write(chunk)) return;
    controller.pause();
    this.response.once('drain', () => controller.resume());
  }

  onResponseEnd(): void {
    if (this.isOver) return;
    this.response.end();
    this.end('answered');
  }

  onResponseError(_controller: unknown, error: Error & { code?: string }): void {
    if (this.isOver) return;
    if (this.isAnswered) {
      this.end('cut');
      this.response.destroy();
    } else if (error.code === 'UND_ERR_INVALID_ARG') {
      this.refuse('malformed', new Problem(400, 'malformed request'));
    } else if (this.controller === null) {
      this.leaveUpstream('cannot be reached');
      this.offer();
    } else {
      this.leaveUpstream('cut a connection');
      this.refuse('cut', Problem.unavailable());
    }
  }

  /** A pipe of its own, so that whatever becomes of it the caller's connection is left to bring back the answer. */
  private openBody(): Gathered {
    const body = new Gathered();
    this.request.pipe(body);
    body.once('finish', () => this.startTheClock());
    body.on('error', () => undefined); // whoever reads it is told
    body.once('close', () => {
      this.request.unpipe(body);
      // An answer may come before the last byte was read; the caller, still sending, has to get that far.
      this.request.resume();
    });
    return body;
  }

  /** The answer is due from now on: the request is complete. How slowly one may be sent is the server's limit. */
  private startTheClock(): void {
    if (this.isAnswered || this.isOver) return;
    this.deadline = setTimeout(() => this.tookTooLong(), this.group.answeredWithinMs);
  }

  private tookTooLong(): void {
    const wasSent = this.controller !== null;
    this.leaveUpstream('does not answer');
    if (wasSent) this.refuse('timed_out', NO_ANSWER);
    else this.refuse('unavailable', Problem.unavailable());
  }

  private callerIsGone(): void {
    if (this.isOver) return;
    this.end('caller_gone');
    this.controller?.abort(new Error('the caller is gone'));
    this.body?.destroy();
  }

  /** An answer of our own, in the form of the services. */
  private refuse(outcome: ForwardOutcome, problem: Problem): void {
    this.end(outcome);
    const text = JSON.stringify(problemBody(problem));
    this.response.writeHead(problem.status, {
      ...problem.options.headers,
      'cache-control': 'no-store',
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
    });
    this.response.end(text);
    this.controller?.abort(new Error(problem.message));
    this.body?.destroy();
  }

  private leaveUpstream(how: string): void {
    this.upstream?.failed(how);
    if (this.upstream) this.upstream.inFlight -= 1;
    this.upstream = null;
  }

  private end(outcome: ForwardOutcome): void {
    this.isOver = true;
    clearTimeout(this.deadline);
    if (this.upstream) this.upstream.inFlight -= 1;
    this.upstream = null;
    this.group.metrics.requests.inc({ to: this.group.name, outcome });
  }
}

function hasBody({ method = 'GET', headers }: IncomingMessage): boolean {
  if (BODYLESS.has(method)) return false;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
