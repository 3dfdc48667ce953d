import { finished } from 'node:stream';
import type { FastifyInstance, FastifyRequest, HTTPMethods } from 'fastify';
import type { Logger } from '../logging/create-logger';
import { Problem } from './problem';
import { sendProblem } from './send-problem';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * The problem of a request that no route takes: 405 with `Allow` when the path is known under other methods, otherwise
 * 404 `not found`.
 */
export function unknownRouteProblem({ server, raw }: FastifyRequest): Problem {
  const path = (raw.url ?? '/').split('?', 1)[0] ?? '/';
  const allowed = METHODS.filter((method) => server.findRoute({ method, url: path }) !== null);
  if (allowed.length === 0) return Problem.notFound();
  return new Problem(405, 'method not allowed', { headers: { allow: allowed.join(', ') } });
}

/**
 * Answers what no route takes, and looks neither at its body nor at what it says about it: a job's text, which is no JSON,
 * does not make a wrong path a bad request.
 *
 * The body is read to its end first and thrown away. A caller that is still sending when the connection is closed would
 * lose the answer.
 */
export function answerUnknownRoutes(
  fastify: FastifyInstance,
  logger: Logger,
  problemFor: (request: FastifyRequest) => Problem,
): void {
  fastify.addHook('onRequest', (request, reply, next) => {
    if (!request.is404) return next();
    const problem = problemFor(request);
    finished(request.raw.resume(), { writable: false }, () => sendProblem(problem, request, reply, logger));
  });
  // For what the framework's router of unknown routes cannot even read, such as `*`: it comes here past all hooks.
  fastify.setNotFoundHandler((request, reply) => sendProblem(problemFor(request), request, reply, logger));
}
