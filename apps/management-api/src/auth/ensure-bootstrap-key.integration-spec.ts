import { createDataSource, migrate } from '@flatline/persistence';
import { SystemClock } from '@flatline/service-kernel';
import { createTestDatabase, type TestDatabase } from '@flatline/test-kit';
import type { DataSource } from 'typeorm';
import { ApiKeys } from './api-keys.service';
import { ensureBootstrapKey } from './ensure-bootstrap-key';

describe('the first key', () => {
  const clock = new SystemClock();
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeEach(async () => {
    database = await createTestDatabase('bootstrap');
    await migrate(database.url);
    dataSource = await createDataSource({ databaseUrl: database.url }).initialize();
  });
  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('is made once and shown once', async () => {
    const first = await ensureBootstrapKey(dataSource, clock);
    expect(first.newKey).toMatch(/^flk_[A-Za-z0-9_-]{43}$/);
    expect(await ensureBootstrapKey(dataSource, clock)).toEqual({ projectId: first.projectId, newKey: null });
    expect(await new ApiKeys(dataSource).callerOf(first.newKey!)).toMatchObject({
      projectId: first.projectId,
      scope: 'admin',
      instanceAdmin: true,
    });
  });

  it('is made once by processes that start at the same time', async () => {
    const results = await Promise.all(Array.from({ length: 5 }, () => ensureBootstrapKey(dataSource, clock)));
    expect(results.filter((each) => each.newKey !== null)).toHaveLength(1);
    expect(new Set(results.map((each) => each.projectId)).size).toBe(1);
  });

  it('can be given, and no random one is made then', async () => {
    const apiKey = 'chosen-by-somebody-else';
    expect((await ensureBootstrapKey(dataSource, clock, { apiKey })).newKey).toBeNull();
    expect((await ensureBootstrapKey(dataSource, clock)).newKey).toBeNull();
    expect(await new ApiKeys(dataSource).callerOf(apiKey)).toMatchObject({ instanceAdmin: true });
  });

  it('can be given later, also again after it was revoked', async () => {
    const { newKey } = await ensureBootstrapKey(dataSource, clock);
    const keys = new ApiKeys(dataSource);
    for (let again = 0; again < 2; again += 1) {
      await ensureBootstrapKey(dataSource, clock, { apiKey: 'chosen-by-somebody-else' });
      expect(await keys.callerOf('chosen-by-somebody-else')).toMatchObject({ instanceAdmin: true });
      await dataSource.query('UPDATE api_key SET revoked_at = now() WHERE hash <> $1', [Buffer.alloc(1)]);
      expect(await keys.callerOf('chosen-by-somebody-else')).toBeNull();
    }
    expect(await keys.callerOf(newKey!)).toBeNull();
  });
});
