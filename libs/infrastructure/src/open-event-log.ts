import { readFileSync } from 'node:fs';
import { type EventLog, type KafkaEventLogOptions, openKafkaEventLog, openPostgresEventLog } from '@flatline/event-log';
import { ConfigError, endBecause, type FlatlineConfig, type Kernel, requireVariable } from '@flatline/service-kernel';

/**
 * Connects to the event log that the configuration names. The one place that chooses between its adapters.
 *
 * @param end the process cannot go on with this log; unset: it stops in the order of this kernel
 * @throws ConfigError when a variable that the others call for is missing, or a file cannot be read
 */
export function openEventLog(
  kernel: Kernel,
  databaseUrl: string,
  end = (reason: string): void => endBecause(kernel, reason),
): Promise<EventLog> {
  const { config, logger, clock } = kernel;
  const monotonic = (): number => clock.monotonic();
  const onFatal = (error: Error): void => end(error.message);
  if (!config.KAFKA_BROKERS) return openPostgresEventLog({ url: databaseUrl, logger, monotonic, onFatal });
  return openKafkaEventLog({
    client: config.KAFKA_CLIENT,
    brokers: config.KAFKA_BROKERS,
    tls: config.KAFKA_TLS ? { ca: authority(config) } : undefined,
    sasl: login(config),
    replicationFactor: config.KAFKA_REPLICATION_FACTOR,
    logger,
    monotonic,
    onFatal,
  });
}

/** The server behind the log, as sentences name it. */
export function logServer({ config }: Pick<Kernel, 'config'>): string {
  return config.KAFKA_BROKERS ? 'Kafka' : 'Postgres';
}

function authority({ KAFKA_TLS_CA_FILE: file }: FlatlineConfig): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new ConfigError([{ variable: 'KAFKA_TLS_CA_FILE', message: 'names a file that cannot be read' }]);
  }
}

function login(config: FlatlineConfig): KafkaEventLogOptions['sasl'] {
  const mechanism = config.KAFKA_SASL_MECHANISM;
  if (!mechanism) return undefined;
  return {
    mechanism,
    username: requireVariable(config, 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_MECHANISM'),
    password: requireVariable(config, 'KAFKA_SASL_PASSWORD', 'KAFKA_SASL_MECHANISM'),
  };
}
