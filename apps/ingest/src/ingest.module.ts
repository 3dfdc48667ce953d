import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { EVENT_LOG, type EventLog } from '@flatline/event-log';
import { DefinitionNotices } from '@flatline/persistence';
import { ClockSkew, type Finding, type Kernel, KERNEL } from '@flatline/service-kernel';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { callCanary } from './canary/call-canary';
import { Canary, CANARY_TIMEOUT_MS } from './canary/canary';
import { INGEST_IDENTITY, type IngestIdentity, installationOf } from './canary/canary-route';
import { IngestDirectory } from './ingest-directory';
import { IngestMetrics } from './ingest-metrics';
import { IngestService } from './ingest.service';
import { PingAppender } from './ping-appender';

export interface IngestOptions {
  /**
   * The identity of this ingest where nobody else can have it (embedded: whoever holds the lock of the data
   * directory). A restart under it waits for no lease. Unset: an identity of this process alone.
   */
  readonly exclusiveId?: string;
  /** Another process has taken the exclusive identity over; this one must end. */
  readonly onFenced: () => void;
  /** The ingest cannot go on by itself; this process must end, and be started anew. */
  readonly onStuck: (reason: string) => void;
}

/**
 * Answers ping URLs.
 *
 * Needs, from the kernel module's infrastructure: DataSource, DefinitionNotices, EVENT_LOG.
 */
@Module({})
export class IngestModule {
  static forRoot(options: IngestOptions): DynamicModule {
    const providers: Provider[] = [
      IngestService,
      {
        provide: IngestDirectory,
        inject: [DataSource, DefinitionNotices],
        useFactory: async (dataSource: DataSource, notices: DefinitionNotices) => {
          const directory = new IngestDirectory(dataSource);
          await notices.follow(directory);
          return directory;
        },
      },
      {
        provide: INGEST_IDENTITY,
        inject: [EVENT_LOG],
        useFactory: (log: EventLog): IngestIdentity => ({
          ingestId: options.exclusiveId ?? `ingest-${uuidv7()}`,
          installation: installationOf(log.identity()),
        }),
      },
      {
        provide: Canary,
        inject: [KERNEL, INGEST_IDENTITY],
        useFactory: ({ config, ...kernel }: Kernel, { installation }: IngestIdentity) => {
          const baseUrl = config.CANARY_URL;
          const target = baseUrl === undefined ? null : { baseUrl, installation, timeoutMs: CANARY_TIMEOUT_MS };
          const call = target && (() => callCanary(target));
          return new Canary({ ...kernel, call, leaseMs: config.INGEST_LEASE_SECONDS * 1000 });
        },
      },
      {
        provide: PingAppender,
        inject: [KERNEL, EVENT_LOG, INGEST_IDENTITY, Canary],
        useFactory: async (kernel: Kernel, log: EventLog, { ingestId }: IngestIdentity, canary: Canary) => {
          const { config, clock, health, logger, metrics, tracing } = kernel;
          const skew = new ClockSkew(config.MAX_CLOCK_SKEW_MS);
          health.watch(() => findingOf(skew));
          const accepting = (): number => appender.acceptingPartitions;
          const appender: PingAppender = new PingAppender({
            producer: await log.producer(options.exclusiveId === undefined ? {} : { exclusiveId: options.exclusiveId }),
            openSideProducer: () => log.producer(),
            ingestId,
            partitions: config.PING_PARTITIONS,
            leaseMs: config.INGEST_LEASE_SECONDS * 1000,
            clock,
            skew,
            logger,
            metrics: new IngestMetrics(metrics, accepting, () => skew.aheadMs),
            tracing,
            reach: () => canary.reach(),
            noteCame: () => canary.noteCame(),
            onFenced: options.onFenced,
            onStuck: options.onStuck,
          });
          return appender;
        },
      },
    ];
    return { module: IngestModule, providers };
  }
}

function findingOf(skew: ClockSkew): Finding<'clock_skewed'>[] {
  const sentence = skew.sentence();
  return sentence === null ? [] : [{ condition: 'clock_skewed', sentence }];
}
