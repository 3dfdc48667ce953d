import type { Logger } from './logging/create-logger';
import type { ShutdownSequence } from './shutdown-sequence';

/** SIGTERM must end a process within 10 s; the rest is left for what cannot be waited for. */
export const SHUTDOWN_DEADLINE_MS = 9_000;

/**
 * Stops the process in order on SIGTERM or SIGINT and ends it: exit code 0, or 1 when something did not stop well. A
 * second signal ends it at once.
 */
export function stopOnSignals(
  shutdown: ShutdownSequence,
  logger: Logger,
  exit: (code: number) => void = (code) => process.exit(code),
): void {
  const stop = (signal: NodeJS.Signals) => {
    if (shutdown.begun) {
      exit(1);
      return;
    }
    logger.info({ signal }, 'stopping');
    void shutdown.run(SHUTDOWN_DEADLINE_MS).then((well) => {
      logger.info('stopped');
      exit(well ? 0 : 1);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
