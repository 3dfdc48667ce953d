import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { FlatlineConfig } from '../config/environment';
import type { Logger } from '../logging/create-logger';
import { answerClientError } from './client-error';
import { addJsonBodyParser, BODY_LIMIT_BYTES } from './json-body';
import { Problem } from './problem';
import { sendProblem } from './send-problem';
import { answerUnknownRoutes, unknownRouteProblem } from './unknown-route';

/** A request must have arrived completely within this time, headers and body. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How often Node looks for connections that are over their time. */
const CONNECTION_CHECK_MS = 1_000;
const MAX_HEADER_BYTES = 16 * 1024;
/** Ids and tokens are far shorter. */
const MAX_PARAM_LENGTH = 200;

/** Whoever leaves that out may leave out more: the connection ends, as when Node itself refuses it. */
const NO_HOST = new Problem(400, 'the Host header is missing', { headers: { connection: 'close' } });

/**
 * The Fastify instance that a process serves, plain routes and Nest controllers alike. Errors look the same wherever
 * they arise: in a controller, in a plain route, in the framework, in Node's parser.
 *
 * A plugin that wants other body parsers registers its routes in a context of its own and replaces them there.
 */
export class HttpAdapter extends FastifyAdapter {
  /** The instance, to register plain routes on before the application listens. */
  get fastify(): FastifyInstance {
    return this.getInstance() as unknown as FastifyInstance;
  }

  /** Ours are in place before any route is; Nest would replace them with its own. */
  override setErrorHandler(): never {
    return undefined as never;
  }

  override setNotFoundHandler(): never {
    return undefined as never;
  }

  override registerParserMiddleware(): void {}
}

/**
 * Makes the HTTP server of a process; it listens when the Nest application does.
 *
 * @param unknownRoute what to answer a request with that no route takes
 */
export function createHttpAdapter(
  config: Pick<FlatlineConfig, 'MAX_CONNECTIONS'>,
  logger: Logger,
  unknownRoute: (request: FastifyRequest) => Problem = unknownRouteProblem,
): HttpAdapter {
  const adapter = new HttpAdapter({
    // No line per request: errors are logged where they are answered.
    logger: false,
    skipMiddie: true,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: {
      // Clients join a base URL that ends in a slash to a path that begins with one.
      ignoreDuplicateSlashes: true,
      ignoreTrailingSlash: true,
      maxParamLength: MAX_PARAM_LENGTH,
    },
    http: {
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CONNECTION_CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false, // refused by us, with a body that says why
    },
    clientErrorHandler: answerClientError,
    frameworkErrors: ((error, request, reply) => sendProblem(error, request, reply, logger)) as NonNullable<
      FastifyServerOptions['frameworkErrors']
    >,
  });
  const { fastify } = adapter;
  const { server } = fastify;
  server.maxConnections = config.MAX_CONNECTIONS;
  // What nobody knows to expect may be ignored (RFC 9110, 10.1.1). Node would refuse it, without a word.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  // Without a body this method is refused before it is looked at; as one that no route takes it gets its 405.
  fastify.addHttpMethod('QUERY', { hasBody: false, overrideExisting: true });
  addJsonBodyParser(fastify);
  fastify.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, logger));
  fastify.addHook('onRequest', (request, reply, next) => {
    if (request.raw.headers.host !== undefined || request.raw.httpVersion !== '1.1') next();
    else sendProblem(NO_HOST, request, reply, logger);
  });
  answerUnknownRoutes(fastify, logger, unknownRoute);
  return adapter;
}
