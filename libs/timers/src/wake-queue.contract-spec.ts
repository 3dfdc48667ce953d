import { createTestDatabase } from '@flatline/test-kit';

import { createTimers } from './create-timers';
import { clock, wakeQueueContract } from './wake-queue.contract-suite';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

wakeQueueContract('Postgres', async () => {
  const database = await createTestDatabase('timers');
  return {
    timers: () => createTimers({ databaseUrl: database.url, logger: silent, clock }),
    close: () => database.drop(),
  };
});
