import { createTestDatabase } from '@flatline/test-kit';
import { describeEventLog } from './event-log.contract-suite';
import { openPostgresEventLog } from './postgres/postgres-event-log';

jest.setTimeout(60_000);

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

describeEventLog('postgres', async () => {
  const database = await createTestDatabase('eventlog');
  return { open: () => openPostgresEventLog({ url: database.url, logger: quiet }), stop: () => database.drop() };
});
