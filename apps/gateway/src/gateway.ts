import type { AddressInfo } from 'node:net';
import { closeServer, createHttpAdapter, type Kernel, notReady, requireVariable } from '@flatline/service-kernel';
import type { FastifyInstance } from 'fastify';
import { GatewayMetrics } from './gateway-metrics';
import { registerRoutes } from './routes';
import { UpstreamGroup } from './upstream-group';

/**
 * A ping is answered by an ingest within five seconds, with 503 at the latest; who takes longer is not working. The
 * management API asks Postgres several things in a row.
 */
const PING_ANSWERED_WITHIN_MS = 6_000;
const API_ANSWERED_WITHIN_MS = 15_000;

/**
 * Starts the one base URL in front of any number of ingests and management APIs: listens on HOST:PORT and enters its
 * end into the shutdown sequence. Throws ConfigError when the environment does not say whom to forward to.
 */
export async function startGateway(kernel: Kernel): Promise<{ port: number }> {
  const { config, logger, shutdown } = kernel;
  const ingestUrls = requireVariable(config, 'INGEST_URLS');
  const managementApiUrls = requireVariable(config, 'MANAGEMENT_API_URLS');
  const metrics = new GatewayMetrics(kernel.metrics, () => [ingests, managementApis]);
  const parts = { logger, metrics };
  const ingests: UpstreamGroup = new UpstreamGroup({
    ...parts,
    name: 'ingest',
    urls: ingestUrls,
    answeredWithinMs: PING_ANSWERED_WITHIN_MS,
  });
  const managementApis: UpstreamGroup = new UpstreamGroup({
    ...parts,
    name: 'management-api',
    urls: managementApiUrls,
    answeredWithinMs: API_ANSWERED_WITHIN_MS,
  });

  const adapter = createHttpAdapter(config, logger);
  registerOwnRoutes(adapter.fastify, kernel);
  registerRoutes(adapter.fastify, { ingests, managementApis });
  kernel.health.register(ingests.name, () => ingests.missing(), 'pings_refused');
  kernel.health.register(managementApis.name, () => managementApis.missing());
  for (const group of [ingests, managementApis]) {
    shutdown.on('producers', group.name, () => group.close());
    await group.start();
  }

  let closed: Promise<void> | undefined;
  shutdown.on('intake', 'http', () => {
    closed = closeServer(adapter);
  });
  shutdown.on('in-flight', 'http', () => closed);
  await adapter.fastify.listen({ port: config.PORT, host: config.HOST });
  return { port: (adapter.fastify.server.address() as AddressInfo).port };
}

/** What is about the gateway itself. */
function registerOwnRoutes(server: FastifyInstance, { health, metrics }: Kernel): void {
  server.get('/healthz', async (_request, reply) => {
    void reply.header('cache-control', 'no-store');
    return { status: 'ok' };
  });
  server.get('/readyz', async (_request, reply) => {
    const missing = await health.check();
    if (missing.length > 0) throw notReady(missing);
    void reply.header('cache-control', 'no-store');
    return { status: 'ready' };
  });
  server.get('/metrics', async (_request, reply) => {
    void reply.type('text/plain; version=0.0.4; charset=utf-8').header('cache-control', 'no-store');
    return metrics.registry.metrics();
  });
}
