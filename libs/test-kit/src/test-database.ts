import { randomBytes } from 'node:crypto';

import { Client } from 'pg';

/** Environment variable in which the server's URL travels from the jest process to its workers. */
export const TEST_POSTGRES_URL = 'FLATLINE_TEST_POSTGRES_URL';

export interface TestDatabase {
  /** Connection string; the database is empty until the test migrates it. */
  url: string;
  name: string;
  /** Ends every connection to the database and drops it. Idempotent. */
  drop(): Promise<void>;
}

/** Thrown when a test is about to touch a database that is not a test's. */
export class NotATestDatabase extends Error {
  override name = 'NotATestDatabase';

  constructor(database: string) {
    super(`tests refuse the database "${database}": its name does not contain "test"`);
  }
}

/** Name of the database in a connection string. Throws NotATestDatabase unless it contains `test`. */
export function assertTestDatabase(url: string): string {
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  if (!name.includes('test')) throw new NotATestDatabase(name);
  return name;
}

/**
 * Creates an empty database on the Postgres of this jest run.
 *
 * @param prefix letters and digits that make the database recognisable in a list, e.g. `eventlog`
 * @throws Error when the run has no Postgres: only integration, contract and end-to-end tests have one
 */
export async function createTestDatabase(prefix = 'db'): Promise<TestDatabase> {
  const serverUrl = process.env[TEST_POSTGRES_URL];
  if (!serverUrl) {
    throw new Error(
      `${TEST_POSTGRES_URL} is not set: unit tests have no Postgres; name the file *.integration-spec.ts`,
    );
  }
  if (!/^[a-z][a-z0-9_]{0,20}$/.test(prefix)) throw new RangeError(`not a database prefix: ${prefix}`);
  const name = `test_${prefix}_${process.pid}_${randomBytes(5).toString('hex')}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  assertTestDatabase(url.href);
  await runOnServer(serverUrl, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
  let dropping: Promise<void> | undefined;
  return {
    url: url.href,
    name,
    drop: () => (dropping ??= runOnServer(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

/**
 * For the top of a test file or `describe`: one empty database before its tests, dropped after them. Read the fields
 * inside hooks and tests only.
 */
export function useTestDatabase(prefix?: string): Readonly<Pick<TestDatabase, 'url' | 'name'>> {
  let database: TestDatabase | undefined;
  beforeAll(async () => {
    database = await createTestDatabase(prefix);
  });
  afterAll(async () => {
    await database?.drop();
  });
  const current = (): TestDatabase => {
    if (!database) throw new Error('the test database exists only inside hooks and tests');
    return database;
  };
  return {
    get url() {
      return current().url;
    },
    get name() {
      return current().name;
    },
  };
}

async function runOnServer(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
