import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type HttpAdapter, type Kernel, KERNEL, requireVariable } from '@flatline/service-kernel';
import type { TokenKeyring } from '@flatline/domain';
import { Canary } from './canary/canary';
import { INGEST_IDENTITY, type IngestIdentity } from './canary/canary-route';
import { IngestDirectory } from './ingest-directory';
import { PingAppender } from './ping-appender';
import { registerPingRoutes } from './ping-routes';
import { VerifiedTokens } from './verified-tokens';

/** Connects the parts of the ingest to the process: its socket, its readiness and its end. */
@Injectable()
export class IngestService implements OnModuleInit {
  constructor(
    @Inject(KERNEL) private readonly kernel: Kernel,
    private readonly host: HttpAdapterHost,
    private readonly directory: IngestDirectory,
    private readonly appender: PingAppender,
    private readonly canary: Canary,
    @Inject(INGEST_IDENTITY) private readonly identity: IngestIdentity,
  ) {}

  onModuleInit(): void {
    const { fastify } = this.host.httpAdapter as unknown as HttpAdapter;
    const { config, health, shutdown, tracing } = this.kernel;
    const keyring = requireVariable(config, 'PING_TOKEN_KEYS') as unknown as TokenKeyring;
    const tokens = new VerifiedTokens(keyring, config.PING_PARTITIONS);
    const { directory, appender, canary, identity } = this;
    registerPingRoutes(fastify, { tokens, directory, appender, tracing, identity });
    // Not before jobs can reach us: the first pulse says since when they could.
    fastify.server.once('listening', () => {
      canary.start();
      appender.start();
    });

    health.register('ingest', () => appender.missing(), 'pings_refused');
    // No lack of readiness: a front sends nothing to an ingest that is not ready, so it would never be reached again.
    health.watch(() => canary.findings());
    // With the HTTP server's own step: requests that are open wait for their append, not the other way round.
    shutdown.on('in-flight', 'ingest', async () => {
      canary.stop();
      await appender.stop();
    });
  }
}
