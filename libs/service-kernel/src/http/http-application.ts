import type { AddressInfo } from 'node:net';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Kernel } from '../kernel.module';
import { NestLogger } from '../logging/nest-logger';
import { closeServer } from './close-server';
import { createHttpAdapter, type HttpAdapter } from './http-adapter';
import type { WaitingRoom } from './waiting-room';

export interface HttpApplication {
  readonly app: NestFastifyApplication;
  /** The port that was bound. */
  readonly port: number;
}

/**
 * Builds the Nest application of a process: our HTTP adapter, our logger, nothing listening yet. `root` imports the
 * kernel module and the modules of the services.
 */
export async function createHttpApplication(
  root: Type<unknown> | DynamicModule,
  kernel: Kernel,
): Promise<NestFastifyApplication> {
  return NestFactory.create<NestFastifyApplication>(root, createHttpAdapter(kernel.config, kernel.logger), {
    logger: new NestLogger(kernel.logger),
    bodyParser: false,
    abortOnError: false,
    forceCloseConnections: false,
  });
}

/**
 * Starts a process's HTTP side: builds the application, starts its modules, listens on HOST:PORT and enters its end
 * into the shutdown sequence (intake: no new connections; in-flight: open requests finish; database, the last: Nest's
 * own hooks). Rejects when a module fails or the port is taken; nothing is left listening then.
 *
 * A waiting room is closed when everything but the listening is done, and its port is taken over.
 */
export async function startHttpApplication(
  root: Type<unknown> | DynamicModule,
  kernel: Kernel,
  waitingRoom?: WaitingRoom,
): Promise<HttpApplication> {
  const app = await createHttpApplication(root, kernel);
  let closed: Promise<void> | undefined;
  kernel.shutdown.on('intake', 'http', () => {
    closed = closeServer(app.getHttpAdapter() as unknown as HttpAdapter);
  });
  kernel.shutdown.on('in-flight', 'http', () => closed);
  kernel.shutdown.on('database', 'modules', () => app.close());
  await app.init();
  await waitingRoom?.close();
  await app.listen({ port: waitingRoom?.port ?? kernel.config.PORT, host: kernel.config.HOST });
  return { app, port: (app.getHttpServer().address() as AddressInfo).port };
}
