import type { FastifyInstance, HTTPMethods } from 'fastify';
import { Problem } from './problem';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * The problem of a request that no route takes: 405 with `Allow` when the path is known under other methods, otherwise
 * 404 `not found`.
 */
export function unknownRouteProblem(fastify: FastifyInstance, url: string): Problem {
  const path = url.split('?', 1)[0] ?? '/';
  const allowed = METHODS.filter((method) => fastify.findRoute({ method, url: path }) !== null);
  if (allowed.length === 0) return Problem.notFound();
  return new Problem(405, 'method not allowed', { headers: { allow: allowed.join(', ') } });
}
