import type { Provider } from '@nestjs/common';
import { EVENT_LOG, type EventLog, inGeneration, type LogTrouble } from '@flatline/event-log';
import {
  DATABASE_CLOCK,
  DatabaseClock,
  DatabaseSession,
  deadLetterCounts,
  DefinitionAnnouncer,
  DefinitionNotices,
  oldestOutboxSeconds,
  type Partitioning,
  PartitioningWatch,
  requireSameLog,
} from '@flatline/persistence';
import {
  endBecause,
  type HealthRegistry,
  type Kernel,
  RecurringWarning,
  ShutdownSequence,
} from '@flatline/service-kernel';
import { createTimers, TIMERS, type Timers } from '@flatline/timers';
import { DataSource } from 'typeorm';
import { databaseMissing, openDatabase } from './open-database';
import { logServer, openEventLog } from './open-event-log';
import { DiskOfPostgres } from './operator/disk-watch';
import { InstallationWatch } from './operator/installation-watch';
import { SelfHeartbeat } from './operator/self-heartbeat';
import { startRelay } from './outbox';
import { OutboxMetrics } from './outbox-metrics';
import { reach } from './server-away';
import { topicsOf } from './topics-of';

/** What a process stands on, as providers that every module may inject. */
export interface Infrastructure {
  readonly providers: Provider[];
  readonly dataSource: DataSource;
  readonly session: DatabaseSession;
  readonly log: EventLog;
  /** Connected on first use. */
  readonly timers: Timers;
}

/** What a process needs of it. */
export interface InfrastructureNeeds {
  /** Whether it publishes the outbox: where something is written into it. */
  readonly outbox: boolean;
  /** What its readiness rests on; the rest may be away while it runs. */
  readonly readyWith: readonly ('database' | 'event log')[];
  /** Whether it looks after the whole installation, and tells SELF_HEARTBEAT_URL that all is well. */
  readonly watchesInstallation: boolean;
}

/** Of a process that runs all services. */
const EVERYTHING: InfrastructureNeeds = {
  outbox: true,
  readyWith: ['database', 'event log'],
  watchesInstallation: true,
};

/**
 * Connects a process to its database, its event log and its timers, and enters their ends into the shutdown sequence.
 * This library is the one place that chooses adapters; no other code knows which are in use. What fails leaves nothing
 * open.
 *
 * @throws ServerAway when a server cannot be reached or is not set up yet: trying again helps
 * @throws UnusableServer when Postgres may lose commits
 * @throws InstallationMismatch, TopicMismatch when this process is configured otherwise than the installation
 */
export async function openInfrastructure(
  kernel: Kernel,
  databaseUrl: string,
  needs: InfrastructureNeeds = EVERYTHING,
): Promise<Infrastructure> {
  const opened = new ShutdownSequence(kernel.clock, kernel.logger);
  try {
    const infrastructure = await open({ ...kernel, shutdown: opened }, databaseUrl, needs, (reason) =>
      endBecause(kernel, reason),
    );
    kernel.shutdown.adopt(opened);
    return infrastructure;
  } catch (error) {
    await opened.run(CLOSE_WITHIN_MS);
    throw error;
  }
}

const CLOSE_WITHIN_MS = 5_000;

async function open(
  kernel: Kernel,
  databaseUrl: string,
  needs: InfrastructureNeeds,
  end: (reason: string) => void,
): Promise<Infrastructure> {
  const { config, clock, logger, health, shutdown } = kernel;
  const diskOfPostgres = new DiskOfPostgres(clock);
  const noteQueryError = (error: unknown): void => diskOfPostgres.note(error);
  const { dataSource, partitioning } = await openDatabase(kernel, databaseUrl, noteQueryError);
  const databaseClock = await startDatabaseClock(kernel, dataSource);
  const log = await connectLog(kernel, databaseUrl, { dataSource, partitioning, end });

  const timers = await createTimers({ redisUrl: config.REDIS_URL, databaseUrl, logger, clock: databaseClock });
  shutdown.on('producers', 'timers', () => timers.close());

  const interrupted = new RecurringWarning(logger, clock, 'the session with the database was interrupted');
  const session = new DatabaseSession(databaseUrl, (error) => interrupted.note(error));
  shutdown.on('producers', 'database session', () => session.stop());
  await reach('database', 'Postgres', () => new PartitioningWatch(session, partitioning, end).start());
  const notices = new DefinitionNotices(session, (error) =>
    logger.warn({ err: error }, 'a notice of a changed definition could not be read, or not be acknowledged'),
  );
  const announcer = new DefinitionAnnouncer(session, (error) =>
    logger.warn({ err: error }, 'it will not be known when ingests have heard of changed definitions'),
  );

  let outboxMetrics: OutboxMetrics | undefined;
  if (needs.outbox) {
    const onBuried = (): void => outboxMetrics?.deadLetters.inc();
    const relay = await reach('event log', logServer(kernel), () => startRelay(kernel, session, log, onBuried));
    shutdown.on('workers', 'outbox', () => relay.stop());
  }

  // Last, because neither a metric nor a probe can be taken back when a later step fails.
  if (needs.outbox) {
    outboxMetrics = new OutboxMetrics(kernel.metrics, {
      oldestSeconds: () => oldestOutboxSeconds(dataSource),
      letters: () => deadLetterCounts(dataSource),
    });
  }
  if (needs.readyWith.includes('database'))
    health.register('database', () => databaseMissing(dataSource), 'database_away');
  if (needs.readyWith.includes('event log')) registerLog(health, log);
  health.watch(() => diskOfPostgres.findings());
  if (needs.watchesInstallation) watchInstallation(kernel, dataSource, log);
  return {
    dataSource,
    session,
    log,
    timers,
    providers: [
      { provide: DATABASE_CLOCK, useValue: databaseClock },
      { provide: DataSource, useValue: dataSource },
      { provide: EVENT_LOG, useValue: log },
      { provide: TIMERS, useValue: timers },
      { provide: DatabaseSession, useValue: session },
      { provide: DefinitionNotices, useValue: notices },
      { provide: DefinitionAnnouncer, useValue: announcer },
    ],
  };
}

async function startDatabaseClock({ clock, logger, shutdown }: Kernel, dataSource: DataSource): Promise<DatabaseClock> {
  const ask = async (): Promise<number> => {
    const [row] = await dataSource.query<{ now: number }[]>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
    );
    return row!.now;
  };
  const failed = new RecurringWarning(
    logger,
    clock,
    'the database did not say what time it is; the last answer counts on',
  );
  const databaseClock = new DatabaseClock({ ask, clock, onError: (error) => failed.note(error) });
  await reach('database', 'Postgres', () => databaseClock.start());
  shutdown.on('producers', 'database clock', () => databaseClock.stop());
  return databaseClock;
}

/** Looks after the installation, for the operator of this process and for who hears its heartbeat. */
function watchInstallation({ config, clock, logger, health, shutdown }: Kernel, dataSource: DataSource, log: EventLog) {
  const { PING_PARTITIONS: partitions, SELF_HEARTBEAT_URL: url, SELF_HEARTBEAT_EVERY_SECONDS } = config;
  const everyMs = SELF_HEARTBEAT_EVERY_SECONDS * 1_000;
  const heartbeat = url === undefined ? null : new SelfHeartbeat({ url, everyMs, clock, logger });
  const allIsWell = (): void => heartbeat?.allIsWell();
  const watch = new InstallationWatch({ dataSource, log, partitions, clock, logger, allIsWell });
  health.watch(() => watch.findings());
  watch.start();
  shutdown.on('workers', 'installation watch', () => watch.stop());
}

/** Whether the log is there, whether what this process reads advances, and whether its place in the log is known. */
function registerLog(health: HealthRegistry, log: EventLog): void {
  const sentences = (kind: LogTrouble['kind']): string | null => {
    const troubles = log.troubles().filter((trouble) => trouble.kind === kind);
    return troubles.length > 0 ? troubles.map(({ sentence }) => sentence).join('; ') : null;
  };
  health.register('event log', () => sentences('away'), 'event_log_away');
  health.register('consumers', () => sentences('stopped'), 'consumer_stopped');
  health.register('positions', () => sentences('outside'), 'position_lost');
}

interface LogContext {
  readonly dataSource: DataSource;
  readonly partitioning: Partitioning;
  /** Ends the process in its own order, whatever of it is still being opened. */
  readonly end: (reason: string) => void;
}

/** Opens the log of this installation and makes its topics. */
async function connectLog(
  kernel: Kernel,
  databaseUrl: string,
  { dataSource, partitioning, end }: LogContext,
): Promise<EventLog> {
  const { partitions, generation } = partitioning;
  const log = await reach('event log', logServer(kernel), async () => {
    const opened = inGeneration(await openEventLog(kernel, databaseUrl, end), generation);
    kernel.shutdown.on('producers', 'event log', () => opened.close());
    await opened.ensureTopics(topicsOf(kernel.config, partitions));
    return opened;
  });
  await reach('database', 'Postgres', () => requireSameLog(dataSource, log.identity()));
  return log;
}
