import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  CONFIG,
  type FlatlineConfig,
  HealthRegistry,
  type HttpAdapter,
  requireVariable,
  ShutdownSequence,
} from '@flatline/service-kernel';
import type { TokenKeyring } from '@flatline/domain';
import { IngestDirectory } from './ingest-directory';
import { PingAppender } from './ping-appender';
import { registerPingRoutes } from './ping-routes';

/** Connects the parts of the ingest to the process: its socket, its readiness and its end. */
@Injectable()
export class IngestService implements OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: FlatlineConfig,
    private readonly host: HttpAdapterHost,
    private readonly health: HealthRegistry,
    private readonly shutdown: ShutdownSequence,
    private readonly directory: IngestDirectory,
    private readonly appender: PingAppender,
  ) {}

  onModuleInit(): void {
    const { fastify } = this.host.httpAdapter as unknown as HttpAdapter;
    const keyring = requireVariable(this.config, 'PING_TOKEN_KEYS') as unknown as TokenKeyring;
    registerPingRoutes(fastify, { keyring, directory: this.directory, appender: this.appender });
    // Not before jobs can reach us: the first pulse says since when they could.
    fastify.server.once('listening', () => this.appender.start());

    this.health.register('ingest', () =>
      this.appender.acceptingPartitions > 0
        ? null
        : 'pings are not accepted: the event log has acknowledged no pulse lately',
    );
    // With the HTTP server's own step: requests that are open wait for their append, not the other way round.
    this.shutdown.on('in-flight', 'ingest', () => this.appender.stop());
  }
}
