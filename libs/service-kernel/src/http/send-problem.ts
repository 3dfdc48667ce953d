import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../logging/create-logger';
import type { RecurringWarning } from '../logging/recurring-warning';
import { redactUrl } from '../logging/scrubber';
import { problemBody } from './problem';
import { problemOf } from './problem-of';

/**
 * Answers a request with what went wrong. Our own failures are logged with their cause; the caller sees none of it.
 *
 * @param unavailable logs the 503s instead, where they may come by the thousand
 */
export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
  unavailable?: RecurringWarning,
): void {
  const problem = problemOf(error);
  const { expected, cause, headers } = problem.options;
  if (problem.status >= 500 && expected !== true) {
    if (problem.status === 503 && unavailable) unavailable.note(cause ?? problem);
    else
      logger.error(
        { err: cause ?? problem, method: request.method, url: redactUrl(request.url), status: problem.status },
        'request failed',
      );
  }
  if (reply.sent || reply.raw.headersSent) return;
  void reply
    .code(problem.status)
    .headers({ ...headers })
    .header('cache-control', 'no-store')
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(problemBody(problem)));
}
