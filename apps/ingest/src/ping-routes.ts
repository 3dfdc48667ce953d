import type { Tracing } from '@flatline/service-kernel';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { type IngestIdentity, registerCanary } from './canary/canary-route';
import { registerTickstemPings } from './dialects/tickstem';
import type { IngestDirectory } from './ingest-directory';
import type { PingAppender } from './ping-appender';
import { readBeginning } from './request-body';
import type { VerifiedTokens } from './verified-tokens';

export interface PingRouteParts {
  readonly tokens: VerifiedTokens;
  readonly directory: IngestDirectory;
  readonly appender: PingAppender;
  readonly tracing: Tracing;
  readonly identity: IngestIdentity;
}

/** Registers the ping URLs of every dialect, in a context of their own where no body is ever parsed. */
export function registerPingRoutes(server: FastifyInstance, parts: PingRouteParts): void {
  void server.register((scope, _options, done) => {
    // A label that is no media type would be refused with 415 before any parser is asked; here labels mean nothing.
    scope.addHook('onRequest', (request, _reply, next) => {
      delete request.headers['content-type'];
      next();
    });
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request: FastifyRequest, payload: IncomingMessage) => readBeginning(payload));
    registerTickstemPings(scope, parts);
    registerCanary(scope, parts.identity);
    done();
  });
}
