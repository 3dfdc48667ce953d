/** The product as `npm start` runs it, with data of its own in a temporary folder. */
import { childrenOf } from './process-tree.mjs';
import { startProductProcess } from './product-process.mjs';

/**
 * @param {{ dataDir: string, logFile: string, env?: Record<string, string>, nodeArgs?: string[] }} options
 * @returns {Promise<import('./product-process.mjs').Target>} once /readyz answers 200
 */
export async function startStandalone(options) {
  const product = await startProductProcess({
    ...options,
    app: 'standalone',
    readyWithinMs: 120_000,
    stoppedWithinMs: 15_000,
  });
  return {
    ...product,
    name: 'standalone',
    partitions: 4,
    ingests: () => [product],
    metricsUrls: () => [`${product.baseUrl}/metrics`],
    parts: () => [
      { name: 'server', pid: product.pid, isAlone: true },
      ...childrenOf(product.pid).map((pid) => ({ name: 'postgres', pid })),
    ],
  };
}
