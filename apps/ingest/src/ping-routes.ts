import type { TokenKeyring } from '@flatline/domain';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { registerTickstemPings } from './dialects/tickstem';
import type { IngestDirectory } from './ingest-directory';
import type { PingAppender } from './ping-appender';
import { readBeginning } from './request-body';

export interface PingRouteParts {
  readonly keyring: TokenKeyring;
  readonly directory: IngestDirectory;
  readonly appender: PingAppender;
}

/** Registers the ping URLs of every dialect, in a context of their own where no body is ever parsed. */
export function registerPingRoutes(server: FastifyInstance, parts: PingRouteParts): void {
  void server.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request: FastifyRequest, payload: IncomingMessage) => readBeginning(payload));
    registerTickstemPings(scope, parts);
    done();
  });
}
