import { EmbeddedPostgresError } from '@flatline/embedded-postgres';
import { runProduct } from '@flatline/infrastructure';
import { LocalServerError } from '@flatline/local-servers';
import { createKernel, welcomeText } from '@flatline/service-kernel';
import { ServiceRefused } from './services';
import { startCluster } from './start-cluster';
import { whereText } from './where-text';

/** Runs a cluster as child processes of this one until a signal ends it; see `runProduct`. */
export function runCluster(env: NodeJS.ProcessEnv): Promise<void> {
  return runProduct(env, {
    kernel: (config) => createKernel(config, { service: 'cluster' }),
    start: (kernel) => startCluster(kernel, env),
    welcome: (started) => whereText(started) + welcomeText(started),
    sentences: [EmbeddedPostgresError, LocalServerError, ServiceRefused],
    startupGraceMs: 3_000,
    // Gateway, services and servers one after the other; it takes a few seconds when nothing hangs.
    stopWithinMs: 25_000,
  });
}
