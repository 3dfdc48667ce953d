import {
  ADMIN_KEY,
  ApiSession,
  createDataDir,
  eventually,
  removeDataDir,
  startFlatline,
  startTestKafka,
  startTestRedis,
  startWebhookReceiver,
} from '@flatline/test-kit';
import type { TestKafka, TestRedis, WebhookReceiver } from '@flatline/test-kit';

describe('Flatline as one process with its own Postgres', () => {
  let kafka: TestKafka;
  let redis: TestRedis;
  let receiver: WebhookReceiver;
  beforeAll(async () => {
    [kafka, redis, receiver] = await Promise.all([startTestKafka(), startTestRedis(), startWebhookReceiver()]);
  }, 120_000);
  afterAll(() => Promise.all([kafka?.stop(), redis?.stop(), receiver?.stop()]));

  it.each([
    ['the events in Kafka', () => ({ KAFKA_BROKERS: kafka.brokerList, KAFKA_REPLICATION_FACTOR: '1' })],
    ['the timers in Redis', () => ({ REDIS_URL: redis.url })],
  ])('and %s tells of silence and of its end, also over a restart', async (name, env) => {
    const dataDir = createDataDir();
    const options = { dataDir, env: { ...env(), DEFAULT_ALERT_WEBHOOK_URL: receiver.url } };
    const told = () =>
      receiver.requests.filter(({ body }) => body.includes(name)).map(({ body }) => JSON.parse(body).type);
    try {
      const first = await startFlatline(options);
      await first.ready({ withinMs: 60_000 });
      const fields = { name, interval_secs: 1, grace_secs: 0, alert_after_misses: 1 };
      const { id, token } = await new ApiSession(first.baseUrl, ADMIN_KEY).create(fields);
      expect(await new ApiSession(first.baseUrl, ADMIN_KEY).ping(token)).toMatchObject({ status: 200 });
      await eventually(() => expect(told()).toEqual(['heartbeat.down']), { withinMs: 20_000 });
      expect(await first.stop()).toEqual({ code: 0, signal: null });

      const second = await startFlatline(options);
      await second.ready({ withinMs: 60_000 });
      const api = new ApiSession(second.baseUrl, ADMIN_KEY);
      await api.ping(token);
      await eventually(() => expect(told().slice(0, 2)).toEqual(['heartbeat.down', 'heartbeat.recovered']), {
        withinMs: 20_000,
      });
      expect(await api.pings(id)).toHaveLength(2);
      expect(await second.stop()).toEqual({ code: 0, signal: null });
    } finally {
      removeDataDir(dataDir);
    }
  });
});
