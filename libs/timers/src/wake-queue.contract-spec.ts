import { createTestDatabase, startTestRedis, type TestRedis } from '@flatline/test-kit';
import { Redis } from 'ioredis';
import { Client } from 'pg';

import { createTimers } from './create-timers';
import { clock } from './wake-recorder.contract-suite';
import { wakeQueueContract } from './wake-queue.contract-suite';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

wakeQueueContract('Postgres', async () => {
  const database = await createTestDatabase('timers');
  return {
    timers: () => createTimers({ databaseUrl: database.url, logger: silent, clock }),
    empty: async () => {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      await client.query('TRUNCATE flatline_timers.job, flatline_timers.meta CASCADE');
      await client.end();
    },
    close: () => database.drop(),
  };
});

describe('over one Redis', () => {
  let redis: TestRedis;
  let client: Redis;

  beforeAll(async () => {
    redis = await startTestRedis();
    client = new Redis(redis.url);
  });
  afterAll(async () => {
    client.disconnect();
    await redis.stop();
  });

  wakeQueueContract('Redis', async () => {
    await client.flushall();
    return {
      timers: () => createTimers({ redisUrl: redis.url, databaseUrl: '', logger: silent, clock }),
      empty: async () => void (await client.flushall()),
      close: () => Promise.resolve(),
    };
  });
});
