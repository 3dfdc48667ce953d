import { createTestDatabase, eventually, type TestDatabase } from '@flatline/test-kit';
import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { createDataSource, migrate } from './data-source';
import { DatabaseSession } from './database-session';
import { enqueue } from './outbox';
import { OutboxRelay, type RelayedEvent } from './outbox-relay';

describe('the relay of the outbox', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let session: DatabaseSession;
  let relay: OutboxRelay;
  /** Keys are places here; those whose log is away take nothing. */
  const away = new Set<string>();
  const published: RelayedEvent[] = [];

  beforeAll(async () => {
    database = await createTestDatabase('relay');
    await migrate(database.url);
    dataSource = await createDataSource({ databaseUrl: database.url }).initialize();
    session = new DatabaseSession(database.url, () => undefined);
    relay = new OutboxRelay({
      session,
      placeOf: ({ key }) => key,
      publish: async (events) => {
        published.push(...events.filter(({ key }) => !away.has(key)));
        return new Map([...away].map((key) => [key, new Error('away')]));
      },
      refusalOf: () => null,
      onBuried: () => undefined,
      onError: () => undefined,
      monotonic: () => performance.now(),
    });
  });
  afterAll(async () => {
    await relay.stop();
    await session.stop();
    await dataSource.destroy();
    await database.drop();
  });

  const add = (key: string, count: number): Promise<void> => {
    const events = Array.from({ length: count }, (_, index) => ({
      ...{ id: uuidv7(), topic: 'a topic', key },
      payload: Buffer.from(String(index)),
    }));
    return dataSource.transaction((manager) => enqueue(manager, events));
  };
  const of = (wanted: string): string[] =>
    published.filter(({ key }) => key === wanted).map(({ value }) => value.toString());

  /** Guarded by (5): the pages of `publishOnce` and what they leave out. Without it one partition holds up everybody. */
  it('publishes what goes elsewhere while a place takes nothing, however much waits for that before it', async () => {
    away.add('stuck');
    await add('stuck', 1_200);
    await add('free', 2);
    relay.start();
    await eventually(() => expect(of('free')).toEqual(['0', '1']));
    await add('free', 1);
    await eventually(() => expect(of('free')).toEqual(['0', '1', '0']));

    away.clear();
    await eventually(async () => expect(await dataSource.query('SELECT 1 FROM outbox')).toEqual([]));
    expect(of('stuck')).toEqual(Array.from({ length: 1_200 }, (_, index) => String(index)));
    expect(of('free')).toHaveLength(3);
  });
});
