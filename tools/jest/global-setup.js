'use strict';

const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const root = join(__dirname, '..', '..');

/**
 * Once per jest run that has integration, contract or end-to-end tests: dist/ is brought up to date (end-to-end tests
 * run it), Kafka and Redis are fetched if they are missing, and one Postgres is started for all test files. Jest gives global hooks no module mapper, so the test kit is
 * loaded from dist/, where aliases are relative paths.
 *
 * With FLATLINE_TEST_POSTGRES_URL set already, that server is used and left running.
 */
module.exports = async function globalSetup() {
  const { build } = await import(pathToFileURL(join(root, 'tools', 'build.mjs')).href);
  await build({ quiet: true });
  const kit = join(root, 'dist', 'libs', 'test-kit', 'src');
  const { prepareTestServers } = require(join(kit, 'test-servers.js'));
  await prepareTestServers((line) => process.stderr.write(`${line}\n`));
  const { TEST_POSTGRES_URL } = require(join(kit, 'test-database.js'));
  if (process.env[TEST_POSTGRES_URL]) return;
  const { startTestPostgres } = require(join(kit, 'test-postgres.js'));
  const postgres = await startTestPostgres();
  process.env[TEST_POSTGRES_URL] = postgres.url; // workers inherit it
  globalThis.flatlineTestPostgres = postgres;
};
