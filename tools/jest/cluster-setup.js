'use strict';

const { appendFileSync, mkdtempSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const root = join(__dirname, '..', '..');

/**
 * Once per jest run of the end-to-end tests against a cluster: dist/ is brought up to date and one cluster is started
 * for all test files that need no settings of their own. Its servers come with it. See global-setup.js for the rest.
 */
module.exports = async function clusterSetup() {
  const { build } = await import(pathToFileURL(join(root, 'tools', 'build.mjs')).href);
  await build({ quiet: true });
  const kit = join(root, 'dist', 'libs', 'test-kit', 'src');
  const { startCluster } = require(join(kit, 'flatline.js'));
  const { shareCluster } = require(join(kit, 'use-flatline.js'));
  const cluster = await startCluster();
  globalThis.flatlineTestCluster = cluster;
  const outputFile = join(mkdtempSync(join(tmpdir(), 'flatline-e2e-cluster-')), 'output');
  appendFileSync(outputFile, '');
  for (const stream of [cluster.process.child.stdout, cluster.process.child.stderr]) {
    stream.on('data', (chunk) => appendFileSync(outputFile, chunk));
  }
  globalThis.flatlineTestClusterOutput = outputFile;
  try {
    await cluster.ready({ withinMs: 120_000 });
  } catch (error) {
    await cluster.killTree(); // Jest calls no tear-down after this
    throw error;
  }
  shareCluster(cluster, outputFile);
};
