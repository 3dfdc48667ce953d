'use strict';

const { readFileSync } = require('node:fs');
const { join } = require('node:path');

/** The aliases live in tsconfig.base.json alone; typecheck, build and tests all read them there. */
function moduleNameMapperFromTsconfig() {
  const { paths } = JSON.parse(readFileSync(join(__dirname, 'tsconfig.base.json'), 'utf8')).compilerOptions;
  return Object.fromEntries(
    Object.entries(paths).map(([alias, [file]]) => [`^${alias}$`, `<rootDir>/${file.replace(/^\.\//, '')}`]),
  );
}

/** The same compiler settings as the build, so that what is tested is what ships. */
function swcOptions() {
  const { $schema: _schema, ...options } = JSON.parse(readFileSync(join(__dirname, '.swcrc'), 'utf8'));
  return { ...options, swcrc: false };
}

/**
 * Packages that are ES modules only. Node 20.19 loads them with `require`, Jest 30 does not: it has them compiled like our
 * own sources, once per version of them. See docs/adr/0012-a-second-kafka-client.md.
 */
const ES_MODULES = '@platformatic/(kafka|dynamic-buffer|wasm-utils)';

/** One project per kind of test: the suffix decides. See docs/adr/0001-toolchain.md. */
function project(displayName, suffix, extra = {}) {
  return {
    displayName,
    rootDir: __dirname,
    roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/tools'],
    testMatch: [`**/*.${suffix}.ts`],
    testEnvironment: 'node',
    modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/tmp/', '<rootDir>/.nx/'],
    moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
    moduleNameMapper: moduleNameMapperFromTsconfig(),
    transform: { [`^.+\\.ts$|/node_modules/${ES_MODULES}/.+\\.js$`]: ['@swc/jest', swcOptions()] },
    transformIgnorePatterns: [`/node_modules/(?!${ES_MODULES}/)`],
    setupFiles: ['reflect-metadata'],
    restoreMocks: true,
    ...extra,
  };
}

/**
 * Real servers: one Postgres for the whole run, started and stopped around it. The limit of a test goes through a setup
 * file, because Jest 30 reads `testTimeout` of a project and then does not use it.
 */
const withServers = (testTimeoutMs) => ({
  globals: { testTimeoutMs },
  setupFilesAfterEnv: ['<rootDir>/tools/jest/test-timeout.js'],
  globalSetup: '<rootDir>/tools/jest/global-setup.js',
  globalTeardown: '<rootDir>/tools/jest/global-teardown.js',
});

/** The black-box suites that hold for every way to run the product; and what is about a cluster. */
const clusterSuites = ['tickstem-*', 'hostile-*', 'openapi', 'tenants', 'alert-by-*'];

/** The same end-to-end suites, run against a cluster of processes, and the cluster's own. */
const againstCluster = {
  testMatch: [`**/apps/standalone/e2e/{${clusterSuites.join(',')}}.e2e-spec.ts`, '**/apps/cluster/e2e/*.e2e-spec.ts'],
  globals: { testTimeoutMs: 180_000, flatlineDeployment: 'cluster' },
  globalSetup: '<rootDir>/tools/jest/cluster-setup.js',
  globalTeardown: '<rootDir>/tools/jest/cluster-teardown.js',
};

module.exports = {
  projects: [
    project('unit', 'spec'),
    project('integration', 'integration-spec', withServers(60_000)),
    project('contract', 'contract-spec', withServers(60_000)),
    project('e2e', 'e2e-spec', {
      ...withServers(120_000),
      testPathIgnorePatterns: ['/node_modules/', '<rootDir>/apps/cluster/'],
    }),
    project('e2e-cluster', 'e2e-spec', { ...withServers(180_000), ...againstCluster }),
  ],
};
