import type { Provider } from '@nestjs/common';
import { shardOf } from '@flatline/domain';
import { EVENT_LOG, openPostgresEventLog, type EventLog, type LogProducer } from '@flatline/event-log';
import { TOPICS } from '@flatline/events';
import {
  createDataSource,
  DatabaseSession,
  DefinitionNotices,
  durabilityProblem,
  OutboxRelay,
  requireInstallationFact,
  requireKnownTokenKeys,
  type RelayedEvent,
} from '@flatline/persistence';
import type { Kernel } from '@flatline/service-kernel';
import { createTimers, TIMERS, type Timers } from '@flatline/timers';
import { DataSource } from 'typeorm';

/** What a process stands on, as providers that every module may inject. */
export interface Infrastructure {
  readonly providers: Provider[];
  readonly dataSource: DataSource;
  readonly session: DatabaseSession;
  readonly log: EventLog;
  readonly timers: Timers;
}

/**
 * Connects a process to its database, its event log and its timers, and enters their ends into the shutdown sequence.
 * This is the one place that chooses adapters; no other code knows which are in use.
 *
 * The schema must be up to date (`migrate`). Throws when Postgres cannot be reached, may lose commits, or belongs to an
 * installation with another number of ping partitions or with other token keys.
 */
export async function openInfrastructure(kernel: Kernel, databaseUrl: string): Promise<Infrastructure> {
  const { config, clock, logger, health, shutdown } = kernel;
  const partitions = config.PING_PARTITIONS;

  const dataSource = await createDataSource({ databaseUrl, poolSize: config.DATABASE_POOL_SIZE }).initialize();
  shutdown.on('database', 'database', () => dataSource.destroy());
  const problem = await durabilityProblem(dataSource);
  if (problem) throw new Error(problem);
  await requireInstallationFact(dataSource, 'ping_partitions', partitions, 'PING_PARTITIONS');
  if (config.PING_TOKEN_KEYS) {
    await requireKnownTokenKeys(dataSource, config.PING_TOKEN_KEYS, { acceptNew: config.ACCEPT_NEW_PING_TOKEN_KEYS });
  }

  const log = await openPostgresEventLog({ url: databaseUrl, logger, monotonic: () => clock.monotonic() });
  await log.ensureTopics(TOPICS.map((topic) => ({ ...topic, partitions })));
  shutdown.on('producers', 'event log', () => log.close());

  const timers = createTimers({ databaseUrl, logger, clock });
  shutdown.on('producers', 'timers', () => timers.close());

  const session = new DatabaseSession(databaseUrl, (error) =>
    logger.warn({ err: error }, 'the session with the database was interrupted'),
  );
  await session.start();
  shutdown.on('producers', 'database session', () => session.stop());
  const notices = new DefinitionNotices(session, (error) =>
    logger.warn({ err: error }, 'a notice of a changed definition could not be read'),
  );

  const relay = await startRelay(kernel, session, log);
  shutdown.on('workers', 'outbox', () => relay.stop());

  health.register('database', () => databaseMissing(dataSource));
  health.register('event log', () => log.missing());
  return {
    dataSource,
    session,
    log,
    timers,
    providers: [
      { provide: DataSource, useValue: dataSource },
      { provide: EVENT_LOG, useValue: log },
      { provide: TIMERS, useValue: timers },
      { provide: DatabaseSession, useValue: session },
      { provide: DefinitionNotices, useValue: notices },
    ],
  };
}

/** Every process with an outbox relays; which of them does is settled by locks in the database. */
async function startRelay({ config, logger }: Kernel, session: DatabaseSession, log: EventLog): Promise<OutboxRelay> {
  const producer = await log.producer();
  const relay = new OutboxRelay({
    session,
    publish: (events) => publish(producer, events, config.PING_PARTITIONS),
    onError: (error) => logger.warn({ err: error }, 'the outbox could not be published; trying again'),
  });
  relay.start();
  return relay;
}

/** Appends in the order given, topic by topic: events of one key and topic keep their order. */
async function publish(producer: LogProducer, events: readonly RelayedEvent[], partitions: number): Promise<void> {
  for (const topic of new Set(events.map((event) => event.topic))) {
    const records = events
      .filter((event) => event.topic === topic)
      .map(({ key, value }) => ({ partition: shardOf(key, partitions), key, value }));
    await producer.append(topic, records);
  }
}

async function databaseMissing(dataSource: DataSource): Promise<string | null> {
  try {
    await dataSource.query('SELECT 1');
    return null;
  } catch {
    return 'Postgres does not answer';
  }
}
