import { createTestDatabase, startTestKafka } from '@flatline/test-kit';
import { describeEventLog } from './event-log.contract-suite';
import { openKafkaEventLog } from './kafka/kafka-event-log';
import { openPostgresEventLog } from './postgres/postgres-event-log';

jest.setTimeout(60_000);

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

describeEventLog('postgres', async () => {
  const database = await createTestDatabase('eventlog');
  return { open: () => openPostgresEventLog({ url: database.url, logger: quiet }), stop: () => database.drop() };
});

describe.each(['kafkajs', 'platformatic'] as const)('with %s', (client) => {
  describeEventLog('kafka', async () => {
    const { brokers, stop } = await startTestKafka();
    return { open: () => openKafkaEventLog({ client, brokers, replicationFactor: 1, logger: quiet }), stop };
  });
});
