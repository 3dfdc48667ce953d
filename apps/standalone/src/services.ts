import { Module } from '@nestjs/common';
import { DeadlineSchedulerModule } from '@flatline/app-deadline-scheduler';
import { IngestModule } from '@flatline/app-ingest';
import { ensureBootstrapKey, ManagementApiModule } from '@flatline/app-management-api';
import { NotifierModule } from '@flatline/app-notifier';
import { openInfrastructure } from '@flatline/infrastructure';
import { migrate } from '@flatline/persistence';
import { endBecause, type Kernel, KernelModule, startHttpApplication } from '@flatline/service-kernel';
import { persistently } from './persistently';

@Module({})
class StandaloneRoot {}

export interface RunningServices {
  /** The port that was bound. */
  readonly port: number;
  /** The first key, when it was made by this start; it is never shown again. */
  readonly newApiKey: string | null;
}

const READY_CHECK_MS = 25;
const STILL_STARTING_EVERY_MS = 10_000;
/** This process holds the lock of the data directory, or else fences whoever used the same database before. */
const EXCLUSIVE_INGEST_ID = 'standalone';

/**
 * On a Postgres that runs: migrations, connections, the first project and key, and the four services in one
 * application on one port. Resolves when pings are accepted durably and deadlines are judged, however long that takes:
 * what happened while nobody listened is worked through first.
 */
export async function startServices(kernel: Kernel, databaseUrl: string): Promise<RunningServices> {
  const isOurs = kernel.config.DATABASE_URL === undefined;
  const done = <Result>(step: () => Promise<Result>): Promise<Result> => (isOurs ? persistently(kernel, step) : step());
  await done(() => migrate(databaseUrl));
  const { providers, dataSource } = await done(() => openInfrastructure(kernel, databaseUrl));
  const apiKey = kernel.config.FLATLINE_BOOTSTRAP_API_KEY;
  const { newKey } = await done(() => ensureBootstrapKey(dataSource, kernel.clock, { apiKey }));
  const root = {
    module: StandaloneRoot,
    imports: [
      KernelModule.forRoot(kernel, providers),
      IngestModule.forRoot({
        exclusiveId: EXCLUSIVE_INGEST_ID,
        onFenced: () => endBecause(kernel, 'another Flatline uses the same database; this one stops'),
        onStuck: (reason) => endBecause(kernel, reason),
      }),
      ManagementApiModule,
      DeadlineSchedulerModule.forRoot(),
      NotifierModule.forRoot(),
    ],
  };
  const { port } = await startHttpApplication(root, kernel);
  await untilReady(kernel);
  return { port, newApiKey: newKey };
}

async function untilReady({ clock, health, logger, shutdown }: Kernel): Promise<void> {
  let patientUntil = clock.monotonic() + STILL_STARTING_EVERY_MS;
  while (!shutdown.begun) {
    const missing = await health.check();
    if (missing.length === 0) return;
    if (clock.monotonic() > patientUntil) {
      logger.warn({ missing }, 'still starting');
      patientUntil = clock.monotonic() + STILL_STARTING_EVERY_MS;
    }
    await new Promise((resolve) => setTimeout(resolve, READY_CHECK_MS));
  }
}
