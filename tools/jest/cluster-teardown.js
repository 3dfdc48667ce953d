'use strict';

const { rmSync } = require('node:fs');
const { dirname, join } = require('node:path');

/** Stops what cluster-setup.js started. */
module.exports = async function clusterTeardown() {
  const cluster = globalThis.flatlineTestCluster;
  if (!cluster) return;
  const { removeDataDir } = require(join(__dirname, '..', '..', 'dist', 'libs', 'test-kit', 'src', 'flatline.js'));
  await cluster.stop({ withinMs: 30_000 }).catch(() => cluster.killTree());
  removeDataDir(cluster.dataDir);
  rmSync(dirname(globalThis.flatlineTestClusterOutput), { recursive: true, force: true });
};
