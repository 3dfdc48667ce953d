import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { Problem, problemBody } from './problem';

const METHODS = 'GET, HEAD, POST, PATCH, DELETE';

/** What Node could not even parse as a request, by its error code. */
const PROBLEMS: Readonly<Record<string, Problem>> = {
  HPE_HEADER_OVERFLOW: new Problem(431, 'request header fields too large'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: new Problem(413, 'body too large'),
  HPE_INVALID_METHOD: new Problem(405, 'method not allowed', { headers: { allow: METHODS } }),
  ERR_HTTP_REQUEST_TIMEOUT: new Problem(408, 'request timeout'),
};
const MALFORMED = new Problem(400, 'malformed request');

/** How long a caller may take to notice that we have answered and hung up. */
const LINGER_MS = 1_000;

/**
 * Answers what is no HTTP request (an unknown method, headers without end, a caller that is too slow), or closes when
 * nothing can be said any more. Without it Node answers in plain text.
 */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  const open = openAnswer(socket);
  if (error.code === 'ECONNRESET' || !socket.writable || open?.headersSent) {
    socket.destroy();
    return;
  }
  // What came behind a complete request is no reason to keep its answer back; the connection ends after that.
  if (open?.req.complete) {
    open.setHeader('connection', 'close');
    return;
  }
  const problem = PROBLEMS[error.code ?? ''] ?? MALFORMED;
  const body = JSON.stringify(problemBody(problem));
  const headers = {
    ...problem.options.headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${head.join('')}\r\n${body}`);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/**
 * The answer that is under way, where Node keeps it. Two answers on one connection at once would be read as one broken
 * answer.
 */
function openAnswer(socket: Socket): ServerResponse | null {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? null;
}
