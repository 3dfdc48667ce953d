import { type EventLog, openPostgresEventLog } from '@flatline/event-log';
import type { Kernel } from '@flatline/service-kernel';

/** Connects to the event log that the configuration names. The one place that chooses between its adapters. */
export function openEventLog({ logger, clock }: Kernel, databaseUrl: string): Promise<EventLog> {
  return openPostgresEventLog({ url: databaseUrl, logger, monotonic: () => clock.monotonic() });
}

/** The server behind the log, as sentences name it. */
export function logServer({ config }: Pick<Kernel, 'config'>): string {
  return config.KAFKA_BROKERS ? 'Kafka' : 'Postgres';
}
