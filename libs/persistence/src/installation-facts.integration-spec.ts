import { randomBytes } from 'node:crypto';
import { useTestDatabase } from '@flatline/test-kit';
import type { DataSource } from 'typeorm';
import {
  createDataSource,
  InstallationMismatch,
  migrate,
  replaceLogFact,
  requireKnownTokenKeys,
  requireSameLog,
} from './index';

describe('facts of an installation', () => {
  const database = useTestDatabase('facts');
  let dataSource: DataSource;
  beforeAll(async () => {
    await migrate(database.url);
    dataSource = await createDataSource({ databaseUrl: database.url }).initialize();
  });
  afterAll(() => dataSource.destroy());

  it('hold every process to one event log, until a command adopts another', async () => {
    await requireSameLog(dataSource, 'postgres:a:g1');
    await requireSameLog(dataSource, 'postgres:a:g1');
    await expect(requireSameLog(dataSource, 'kafka:b:g1')).rejects.toThrow(InstallationMismatch);
    await dataSource.transaction((manager) => replaceLogFact(manager, 'kafka:b:g1'));
    await requireSameLog(dataSource, 'kafka:b:g1');
    await expect(requireSameLog(dataSource, 'postgres:a:g1')).rejects.toThrow(/uses kafka:b:g1; set KAFKA_BROKERS/);
  });

  it('refuse a keyring that shares no key with those used before, and let keys rotate', async () => {
    const strictly = { acceptNew: false };
    const [first, second, third] = [randomBytes(32), randomBytes(32), randomBytes(32)];
    await requireKnownTokenKeys(dataSource, [first], strictly);
    await requireKnownTokenKeys(dataSource, [second, first], strictly);
    await requireKnownTokenKeys(dataSource, [second], strictly);
    const attempt = requireKnownTokenKeys(dataSource, [third], strictly);
    await expect(attempt).rejects.toThrow(InstallationMismatch);
    await expect(attempt).rejects.not.toThrow(new RegExp(third.toString('hex')));
    const [row] = await dataSource.query<{ value: string }[]>(
      `SELECT value::text FROM installation_fact WHERE name = 'ping_token_keys'`,
    );
    expect(row?.value).not.toContain(first.toString('hex').slice(0, 16));
    await requireKnownTokenKeys(dataSource, [third], { acceptNew: true });
    await requireKnownTokenKeys(dataSource, [third], strictly);
  });
});
