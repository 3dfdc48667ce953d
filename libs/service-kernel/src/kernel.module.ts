import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { type Clock, CLOCK, SystemClock } from './clock';
import type { FlatlineConfig } from './config/environment';
import { CONFIG } from './config/load-config';
import { HealthController } from './health/health.controller';
import { HealthRegistry } from './health/health-registry';
import { BodyPipe } from './http/body-pipe';
import { ProblemFilter } from './http/problem-filter';
import { PublicUrl } from './http/public-url';
import { createLogger, LOGGER, type Logger } from './logging/create-logger';
import { Metrics } from './metrics/metrics';
import { MetricsController } from './metrics/metrics.controller';
import { ShiftedClock } from './shifted-clock';
import { ShutdownSequence } from './shutdown-sequence';
import { NO_TRACING, TRACING, type Tracing } from './tracing/tracing';

/** Injection token of the whole {@link Kernel}, for providers that are put together from many of its parts. */
export const KERNEL = Symbol('KERNEL');

/** What every process is built on, made before Nest starts so that whatever starts earlier can use it too. */
export interface Kernel {
  readonly config: FlatlineConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: HealthRegistry;
  readonly shutdown: ShutdownSequence;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
}

/** Makes a kernel from the configuration; parts can be given, as tests do. */
export function createKernel(
  config: FlatlineConfig,
  parts: Partial<Omit<Kernel, 'config'>> & { readonly service?: string } = {},
): Kernel {
  const clock = parts.clock ?? clockOf(config);
  const logger = parts.logger ?? createLogger(config, parts.service === undefined ? {} : { service: parts.service });
  return {
    config,
    clock,
    logger,
    health: parts.health ?? new HealthRegistry(),
    shutdown: parts.shutdown ?? new ShutdownSequence(clock, logger),
    metrics: parts.metrics ?? new Metrics(),
    tracing: parts.tracing ?? NO_TRACING,
  };
}

function clockOf({ CLOCK_OFFSET_FILE }: FlatlineConfig): Clock {
  const machine = new SystemClock();
  return CLOCK_OFFSET_FILE === undefined ? machine : new ShiftedClock(CLOCK_OFFSET_FILE, machine);
}

/**
 * Global module with the kernel's parts (CONFIG, CLOCK, LOGGER, HealthRegistry, ShutdownSequence, Metrics, TRACING, PublicUrl), the form of
 * bodies and errors, `/healthz`, `/readyz` and `/metrics`. `infrastructure` are further providers everybody may inject: the data
 * source, the event log, the timers.
 */
@Module({})
export class KernelModule {
  static forRoot(kernel: Kernel, infrastructure: Provider[] = []): DynamicModule {
    const providers: Provider[] = [
      { provide: KERNEL, useValue: kernel },
      { provide: CONFIG, useValue: kernel.config },
      { provide: CLOCK, useValue: kernel.clock },
      { provide: LOGGER, useValue: kernel.logger },
      { provide: HealthRegistry, useValue: kernel.health },
      { provide: ShutdownSequence, useValue: kernel.shutdown },
      { provide: Metrics, useValue: kernel.metrics },
      { provide: TRACING, useValue: kernel.tracing },
      PublicUrl,
      ...infrastructure,
    ];
    return {
      module: KernelModule,
      global: true,
      controllers: [HealthController, MetricsController],
      providers: [
        ...providers,
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_PIPE, useClass: BodyPipe },
      ],
      exports: providers.map((provider) => (typeof provider === 'function' ? provider : provider.provide)),
    };
  }
}
