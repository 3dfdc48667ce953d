import type { AddressInfo } from 'node:net';
import type { Missing } from '../health/health-registry';
import { notReady } from '../health/not-ready';
import type { Kernel } from '../kernel.module';
import { closeServer } from './close-server';
import { createHttpAdapter, type HttpAdapter } from './http-adapter';
import { Problem } from './problem';

/** Whoever has not finished a request by then is cut off: the application wants the port. */
const DRAIN_MS = 200;
const RETRY_AFTER_SECONDS = '2';

/**
 * Stands in for the application of a process while that waits for its servers: `/healthz` says that it lives, `/readyz`
 * what is missing, `/metrics` what is counted so far. Everything else is answered with 503 and Retry-After, never with
 * 404, which would tell a job that its ping URL is dead.
 */
export class WaitingRoom {
  private adapter: HttpAdapter | null = null;
  private opening: Promise<void> | null = null;
  private boundPort: number | undefined;
  private closed = false;

  constructor(
    private readonly kernel: Pick<Kernel, 'config' | 'logger' | 'metrics'>,
    private readonly missing: () => readonly Missing[],
  ) {}

  /** The port that was bound, for whoever takes it over; undefined when it was never opened. */
  get port(): number | undefined {
    return this.boundPort;
  }

  /** Listens on HOST:PORT. Does nothing when it was opened or closed before. Rejects when the port is taken. */
  open(): Promise<void> {
    if (this.closed) return Promise.resolve();
    this.opening ??= this.listen();
    return this.opening;
  }

  /** Frees the port. Idempotent; also when it was never opened. Never rejects. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.allSettled([this.opening]);
    const { adapter } = this;
    this.adapter = null;
    if (adapter) await closeServer(adapter, DRAIN_MS);
  }

  private async listen(): Promise<void> {
    const { config, logger, metrics } = this.kernel;
    const starting = new Problem(503, 'starting, try again', {
      headers: { 'retry-after': RETRY_AFTER_SECONDS },
      expected: true,
    });
    const adapter = createHttpAdapter(config, logger, () => starting);
    const { fastify } = adapter;
    fastify.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'));
    fastify.get('/healthz', () => ({ status: 'ok' }));
    fastify.get('/readyz', () => {
      throw notReady(this.missing());
    });
    fastify.get('/metrics', async (_request, reply) => {
      reply.type(metrics.registry.contentType);
      return metrics.registry.metrics();
    });
    await fastify.listen({ port: config.PORT, host: config.HOST });
    this.boundPort = (fastify.server.address() as AddressInfo).port;
    this.adapter = adapter;
  }
}
