import { createTestDatabase, runMigrate, startMigrate } from '@flatline/test-kit';
import type { TestDatabase } from '@flatline/test-kit';
import { Client } from 'pg';

describe('the migration step', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase('migrate');
  });
  afterEach(() => database.drop());

  async function count(table: string): Promise<number> {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      return Number((await client.query(`SELECT count(*) FROM flatline.${table}`)).rows[0].count);
    } finally {
      await client.end();
    }
  }

  it('run by several at once makes one schema, one project and one key, which one of them prints', async () => {
    const env = { DATABASE_URL: database.url };
    const keys = await Promise.all([runMigrate(env), runMigrate(env), runMigrate(env)]);
    expect(keys.filter((key) => key !== null)).toEqual([expect.stringMatching(/^flk_[A-Za-z0-9_-]{40,}$/)]);
    expect([await count('project'), await count('api_key')]).toEqual([1, 1]);

    expect(await runMigrate(env)).toBeNull();
    expect(await count('api_key')).toBe(1);
  });

  it('takes a key that is given and prints none', async () => {
    const env = { DATABASE_URL: database.url, FLATLINE_BOOTSTRAP_API_KEY: 'a-key-of-twenty-characters' };
    expect(await runMigrate(env)).toBeNull();
    expect(await count('api_key')).toBe(1);
  });

  it.each([
    ['another number of partitions', { PING_PARTITIONS: '8' }, /^migrate did not start: PING_PARTITIONS is 8, .*4/],
    ['other token keys', { PING_TOKEN_KEYS: 'cd'.repeat(32) }, /^migrate did not start: no key of PING_TOKEN_KEYS/],
    ['no database', { DATABASE_URL: '' }, /^migrate did not start: DATABASE_URL must be set\.$/],
  ])('refuses %s than the installation was started with, in one sentence', async (_case, wrong, sentence) => {
    await runMigrate({ DATABASE_URL: database.url });
    const step = startMigrate({ DATABASE_URL: database.url, ...wrong });
    expect(await step.end()).toEqual({ code: 1, signal: null });
    const said = step.lines.filter((line) => !line.startsWith('{'));
    expect(said).toEqual([expect.stringMatching(sentence)]);
  });
});
