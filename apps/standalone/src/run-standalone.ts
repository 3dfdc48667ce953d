import { EmbeddedPostgresError } from '@flatline/embedded-postgres';
import { runProduct } from '@flatline/infrastructure';
import { createKernel, createLogger, openTracing, welcomeText } from '@flatline/service-kernel';
import { startStandalone } from './start-standalone';
import { letYoungGenerationGrow } from './young-generation';

/** Runs the whole product in this process until a signal ends it; see `runProduct`. */
export function runStandalone(env: NodeJS.ProcessEnv): Promise<void> {
  return runProduct(env, {
    kernel: async (config) => {
      const logger = createLogger(config);
      const tracing = await openTracing(config, 'flatline', logger);
      const kernel = createKernel(config, { logger, tracing });
      kernel.shutdown.on('servers', 'tracing', () => tracing.close());
      return kernel;
    },
    start: async (kernel) => {
      const started = await startStandalone(kernel, env);
      letYoungGenerationGrow();
      return started;
    },
    welcome: welcomeText,
    sentences: [EmbeddedPostgresError],
    startupGraceMs: 5_000,
  });
}
