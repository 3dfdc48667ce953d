import {
  type DataDirectoryLock,
  type EmbeddedPostgres,
  type PostgresSettings,
  startEmbeddedPostgres,
} from '@flatline/embedded-postgres';
import { keepRunning, type Kernel } from '@flatline/service-kernel';

export interface OwnPostgresOptions {
  /** As people call it in the log. */
  readonly name: string;
  readonly dataDir: string;
  /** Of the data directory, which this process holds. */
  readonly lock: DataDirectoryLock;
  readonly settings?: PostgresSettings;
}

/**
 * Starts the Postgres of a data directory and enters its end into the shutdown sequence. Whatever ends it, it is started
 * again, on the same port, where the connection pools find it, and for as long as it takes: a disk that was full has room
 * again one day, and nobody may be there to start us again. Rejects when the first start does.
 */
export async function startOwnPostgres(kernel: Kernel, options: OwnPostgresOptions): Promise<EmbeddedPostgres> {
  const { name, dataDir, lock, settings } = options;
  let exited: (how: string) => void = () => undefined;
  let ended = new Promise<string>((resolve) => (exited = resolve));
  const starting = startEmbeddedPostgres({
    ...{ dataDir, lock, settings, reservedPort: kernel.config.PORT },
    onLog: (line) => kernel.logger.debug({ postgres: line }, 'embedded Postgres'),
    onExit: ({ code, signal }) => exited(signal === null ? `exit code ${code}` : `signal ${signal}`),
  });
  let isFirst = true;
  await keepRunning(kernel, {
    name,
    start: async () => {
      const server = await starting;
      if (!isFirst) {
        ended = new Promise<string>((resolve) => (exited = resolve));
        await server.restart();
      }
      isFirst = false;
    },
    ended: () => ended,
    stop: async () => (await starting).stop(),
  });
  return starting;
}
