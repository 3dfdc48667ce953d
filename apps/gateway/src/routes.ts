import { METHODS } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { Forwarding } from './forwarding';
import type { UpstreamGroup } from './upstream-group';

/** The ping URLs of every dialect; all else is the management API's. */
const PING_ROUTES = ['/v1/heartbeats/:token/ping'];

export interface Destinations {
  readonly ingests: UpstreamGroup;
  readonly managementApis: UpstreamGroup;
}

/**
 * The routing rule. It is told to the very router that the services use, under the same options, so that a URL written
 * in an unusual way (slashes doubled or at the end, letters escaped) means here what it means there.
 *
 * Every method goes: whether it is allowed is for the service to say.
 */
export function registerRoutes(server: FastifyInstance, { ingests, managementApis }: Destinations): void {
  for (const method of METHODS) {
    if (method === 'CONNECT' || server.supportedMethods.includes(method)) continue;
    server.addHttpMethod(method, { hasBody: false });
  }
  for (const url of PING_ROUTES) forwardTo(server, url, ingests);
  forwardTo(server, '/*', managementApis);
}

function forwardTo(server: FastifyInstance, url: string, group: UpstreamGroup): void {
  server.route({
    method: server.supportedMethods,
    url,
    exposeHeadRoute: false,
    // Before anything of the request is looked at: its body and what it says about it are not ours.
    onRequest: (request, reply, _next) => {
      reply.hijack();
      new Forwarding(request.raw, reply.raw, group).begin();
    },
    handler: () => {
      throw new Error('a forwarded request is never handled here');
    },
  });
}
