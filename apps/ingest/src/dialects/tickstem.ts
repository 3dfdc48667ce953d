import { TRACEPARENT } from '@flatline/service-kernel';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { acceptTraced } from '../accept-traced';
import type { PingRouteParts } from '../ping-routes';
import { PING_BODY_LIMIT_BYTES, type ReceivedSignal, USER_AGENT_LIMIT } from '../received-signal';

/** The route of this dialect; one path, so that every other method on it is answered with 405. */
export const TICKSTEM_PING_ROUTE = '/v1/heartbeats/:token/ping';

const NOT_FOUND = '{"error":"not found"}';
const UNAVAILABLE = '{"error":"temporarily unavailable, try again"}';
const JSON_TYPE = 'application/json; charset=utf-8';
const RETRY_AFTER_SECONDS = '2';

/**
 * The ping of the Tickstem contract: `{token}` in the path is the only credential, every ping is a success, the answer
 * is always a JSON object. GET and HEAD are ours, for curl and wget.
 *
 * A plain route, not a controller: nothing lies between the socket and the log but the check of the token.
 */
export function registerTickstemPings(server: FastifyInstance, { tokens, directory, ...parts }: PingRouteParts): void {
  const answer = async (
    request: FastifyRequest<{ Params: { token: string } }>,
    reply: FastifyReply,
  ): Promise<string> => {
    reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store');
    const recipient = tokens.recipientOf(request.params.token);
    const standing = recipient ? directory.standing(recipient) : 'gone';
    if (!recipient || standing === 'gone') {
      reply.code(404);
      return NOT_FOUND;
    }
    const signal: ReceivedSignal = {
      recipient,
      kind: 'success',
      method: request.method,
      userAgent: request.headers['user-agent']?.slice(0, USER_AGENT_LIMIT),
      body: (request.body as Buffer | null | undefined) ?? undefined,
    };
    const ping = await acceptTraced(parts, signal, request.headers[TRACEPARENT]);
    if (!ping) {
      reply.code(503).header('retry-after', RETRY_AFTER_SECONDS);
      return UNAVAILABLE;
    }
    reply.header('ping-id', ping.id).header('ping-body-limit', String(PING_BODY_LIMIT_BYTES));
    return `{"status":"${standing === 'paused' ? 'paused' : 'ok'}","id":"${ping.id}"}`;
  };
  server.get(TICKSTEM_PING_ROUTE, answer);
  server.post(TICKSTEM_PING_ROUTE, answer);
}
