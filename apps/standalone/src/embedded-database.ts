import { setTimeout as sleep } from 'node:timers/promises';
import { type DataDirectoryLock, startEmbeddedPostgres } from '@flatline/embedded-postgres';
import { endBecause, type Kernel } from '@flatline/service-kernel';

/** A server that ends more often than this is not helped by another start. */
const MAX_RESTARTS = 3;
const RESTARTS_COUNT_FOR_MS = 60_000;
const FIRST_PAUSE_MS = 100;

/**
 * Starts the Postgres of the data directory, enters its end into the shutdown sequence and answers its connection
 * string. When it dies it is started again on the same port, where the connection pools find it; when that does not
 * help, this process ends.
 */
export async function startEmbeddedDatabase(kernel: Kernel, dataDir: string, lock: DataDirectoryLock): Promise<string> {
  const { config, logger, shutdown } = kernel;
  let ended = (): void => {}; // until it is ours to start again
  const server = await startEmbeddedPostgres({
    dataDir,
    lock,
    reservedPort: config.PORT,
    onLog: (line) => logger.debug({ postgres: line }, 'embedded Postgres'),
    onExit: () => ended(),
  });
  shutdown.on('servers', 'embedded Postgres', () => server.stop());

  let restarts: number[] = [];
  const startAgain = async (): Promise<void> => {
    const now = kernel.clock.monotonic();
    restarts = [...restarts.filter((at) => at > now - RESTARTS_COUNT_FOR_MS), now];
    if (restarts.length > MAX_RESTARTS) {
      endBecause(kernel, `the embedded Postgres ended ${restarts.length} times within a minute`);
      return;
    }
    logger.error('the embedded Postgres ended; starting it again');
    await sleep(FIRST_PAUSE_MS * 2 ** (restarts.length - 1));
    if (shutdown.begun) return;
    try {
      await server.restart();
      logger.info('the embedded Postgres runs again');
    } catch (error) {
      logger.fatal({ err: error }, 'the embedded Postgres did not start again');
      endBecause(kernel, 'the embedded Postgres ended and did not start again');
    }
  };
  ended = () => {
    if (!shutdown.begun) void startAgain();
  };
  return server.url;
}
