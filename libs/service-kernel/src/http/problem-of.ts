import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { Problem } from './problem';

/** What our framework refuses, in our words. Everything else it refuses is answered with the status's own name. */
const FRAMEWORK_PROBLEMS: Readonly<Record<string, () => Problem>> = {
  FST_ERR_BAD_URL: () => new Problem(400, 'invalid URL'),
  // Longer than any id or token there is.
  FST_ERR_MAX_PARAM_LENGTH: () => Problem.notFound(),
  FST_ERR_NOT_FOUND: () => Problem.notFound(),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () => new Problem(400, 'body is shorter than its Content-Length'),
  FST_ERR_HANDLER_TIMEOUT: () => Problem.unavailable(),
};

/** SQLSTATE classes that mean "not now": connection, rollback, resources, shutdown, and lock not available. */
const TRANSIENT_SQLSTATE = /^(?:08|40|53|57)[0-9A-Z]{3}$|^55P03$/;
/** Data exceptions: a value that passed our checks and that Postgres cannot hold. */
const DATA_SQLSTATE = /^22[0-9A-Z]{3}$/;
const TRANSIENT_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN']);
const TRANSIENT_MESSAGES =
  /timeout exceeded when trying to connect|connection terminated|client has encountered a connection error|query read timeout/i;

/**
 * Turns anything thrown into the problem to answer with. Only what is meant for the caller reaches them: of anything
 * unexpected nothing but "internal error".
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof HttpException) return problemOfNest(error);
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? FRAMEWORK_PROBLEMS[code] : undefined;
  if (known) return known();
  if (typeof code === 'string' && code.startsWith('FST_ERR_') && isClientError(statusCode)) {
    return new Problem(statusCode, nameOf(statusCode));
  }
  if (isTransient(error)) return Problem.unavailable(1, error);
  if (sqlStates(error).some((state) => DATA_SQLSTATE.test(state))) {
    return new Problem(400, 'a value cannot be stored', { cause: error });
  }
  return new Problem(500, 'internal error', { cause: error });
}

/**
 * Whether the error says that something we stand on (the database, mostly) is away for the moment, so that the same
 * request may succeed soon.
 */
export function isTransient(error: unknown): boolean {
  return chain(error).some(
    (each) =>
      (typeof each.code === 'string' && (TRANSIENT_CODES.has(each.code) || TRANSIENT_SQLSTATE.test(each.code))) ||
      (typeof each.message === 'string' && TRANSIENT_MESSAGES.test(each.message)),
  );
}

function problemOfNest(error: HttpException): Problem {
  const status = error.getStatus();
  if (status === 404) return Problem.notFound();
  const response = error.getResponse();
  const message = typeof response === 'string' ? response : (response as { message?: unknown }).message;
  const text = Array.isArray(message) ? message.join('; ') : message;
  return new Problem(status, status < 500 && typeof text === 'string' ? text : nameOf(status), { cause: error });
}

function isClientError(status: unknown): status is number {
  return typeof status === 'number' && status >= 400 && status <= 499;
}

function nameOf(status: number): string {
  return (STATUS_CODES[status] ?? 'error').toLowerCase();
}

interface ErrorLike {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly driverError?: unknown;
  readonly errors?: unknown;
}

/** The error, what caused it, and the parts of an aggregate (a host with several addresses), at most ten in all. */
function chain(error: unknown): ErrorLike[] {
  const found: ErrorLike[] = [];
  const queue: unknown[] = [error];
  while (queue.length > 0 && found.length < 10) {
    const next = queue.shift();
    if (typeof next !== 'object' || next === null || found.includes(next)) continue;
    const each = next as ErrorLike;
    found.push(each);
    queue.push(each.driverError, each.cause, ...(Array.isArray(each.errors) ? (each.errors as unknown[]) : []));
  }
  return found;
}

function sqlStates(error: unknown): string[] {
  return chain(error).flatMap((each) => (typeof each.code === 'string' && each.code.length === 5 ? [each.code] : []));
}
