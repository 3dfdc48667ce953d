import { shardOf } from '@flatline/domain';
import { DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC } from '@flatline/events';
import { createTestDatabase, type TestDatabase } from '@flatline/test-kit';
import { TestServer } from '../test-server';

describe('reading a heartbeat after a ping was acknowledged', () => {
  let database: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    database = await createTestDatabase('acknowledged');
    server = await TestServer.start(database.url);
  });
  afterAll(async () => {
    await server.stop();
    await database.drop();
  });

  async function heartbeatWithUnappliedPing(): Promise<{ id: string; partition: number; end: number }> {
    const { json } = await server.call('POST', '/v1/heartbeats', { body: { name: 'job' } });
    const partition = shardOf(json.id as string, server.kernel.config.PING_PARTITIONS);
    const producer = await server.log.producer();
    await producer.append(PINGS_TOPIC, [{ partition, key: json.id as string, value: Buffer.from('{}') }]);
    await producer.close();
    return { id: json.id as string, partition, end: (await server.log.bounds(PINGS_TOPIC, partition)).end };
  }

  async function read(partition: number, nextOffset: number, waiting: readonly { heartbeatId: string }[] = []) {
    await server.dataSource.query(
      `INSERT INTO consumer_offset (consumer_group, topic, partition, log_identity, next_offset, ingests, updated_at)
       VALUES ($1, $2, $3, 'test', $4, $5, now())
       ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET next_offset = $4, ingests = $5`,
      [DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, partition, nextOffset, JSON.stringify({ ingests: {}, waiting })],
    );
  }

  async function expectWaiting(path: string, then: () => Promise<void>): Promise<void> {
    let answered = false;
    const answer = server.call('GET', path).finally(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(answered).toBe(false);
    const startedAt = performance.now();
    await then();
    expect((await answer).status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(300);
  }

  it.each(['', '/pings', '/incidents'])('waits at %s until what the log held has been applied', async (path) => {
    const { id, partition, end } = await heartbeatWithUnappliedPing();
    await expectWaiting(`/v1/heartbeats/${id}${path}`, () => read(partition, end));
  });

  it('waits until a late ping that was read has been applied, too', async () => {
    const { id, partition, end } = await heartbeatWithUnappliedPing();
    await read(partition, end, [{ heartbeatId: 'another' }, { heartbeatId: id }]);
    await expectWaiting(`/v1/heartbeats/${id}`, () => read(partition, end, [{ heartbeatId: 'another' }]));
  });

  it('answers what is known when the scheduler is behind for longer', async () => {
    const { id } = await heartbeatWithUnappliedPing();
    expect((await server.call('GET', `/v1/heartbeats/${id}`)).json).toMatchObject({ id, last_pinged_at: null });
  });
});
