import { PINGS_TOPIC } from '@flatline/events';
import { enqueue, migrate } from '@flatline/persistence';
import { createKernel, type Kernel, loadConfig, silentLogger } from '@flatline/service-kernel';
import { createTestDatabase, eventually, type TestDatabase } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { type Infrastructure, openInfrastructure } from './open-infrastructure';

describe('the outbox', () => {
  let database: TestDatabase;
  let kernel: Kernel;
  let infrastructure: Infrastructure;

  beforeAll(async () => {
    database = await createTestDatabase('outbox');
    await migrate(database.url);
    const config = loadConfig({ PING_PARTITIONS: '1', PING_TOKEN_KEYS: Buffer.alloc(32, 7).toString('base64url') });
    kernel = createKernel(config, { logger: silentLogger() });
    infrastructure = await openInfrastructure(kernel, database.url);
  });
  afterAll(async () => {
    await kernel.shutdown.run(9_000);
    await database.drop();
  });

  /** Guarded by `publishOrBury` in outbox-relay.ts: without it the 500 events beside it wait for ever. */
  it('puts aside what the log can never take, with the reason, and publishes what stands before and after it', async () => {
    const { dataSource, log } = infrastructure;
    const key = uuidv7();
    const sizes = [10, 2_000_000, 20];
    const events = sizes.map((size) => ({ id: uuidv7(), topic: PINGS_TOPIC, key, payload: Buffer.alloc(size, 'x') }));
    const lost = { id: uuidv7(), topic: 'flatline.nowhere.v1', key, payload: Buffer.from('{}') };
    await dataSource.transaction((manager) => enqueue(manager, [...events, lost]));
    await eventually(async () => {
      expect(await dataSource.query('SELECT 1 FROM outbox')).toEqual([]);
    });
    const published: number[] = [];
    await log.consume({
      topic: PINGS_TOPIC,
      group: 'test',
      maxRecords: 10,
      handler: {
        position: async () => 0,
        handle: async (_partition, records) => void published.push(...records.map(({ value }) => value.length)),
      },
    });
    await eventually(() => expect(published).toEqual([10, 20]));
    expect(await dataSource.query('SELECT id, source, key, length(payload) AS size, reason FROM dead_letter')).toEqual([
      { id: events[1]?.id, source: 'outbox', key, size: 2_000_000, reason: expect.stringMatching('2000036 bytes') },
      { id: lost.id, source: 'outbox', key, size: 2, reason: 'there is no topic flatline.nowhere.v1' },
    ]);
    const metrics = await kernel.metrics.registry.metrics();
    expect(metrics).toContain('flatline_outbox_dead_letters_total 2');
    expect(metrics).toContain('flatline_dead_letters_waiting{source="outbox"} 2');
  });
});
