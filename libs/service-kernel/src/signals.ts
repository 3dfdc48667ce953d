import type { Clock } from './clock';
import type { Logger } from './logging/create-logger';
import type { ShutdownSequence } from './shutdown-sequence';

/** SIGTERM must end a process within 10 s; the rest is left for what cannot be waited for. */
export const SHUTDOWN_DEADLINE_MS = 9_000;

/** A Ctrl-C arrives twice, from the terminal and from npm; only one this much later is a person losing patience. */
const IMPATIENT_AFTER_MS = 2_000;

/**
 * Stops the process in order on SIGTERM or SIGINT and ends it: exit code 0, or 1 when something did not stop well. A
 * second SIGINT, some seconds after the first, ends it at once; a second SIGTERM changes nothing.
 *
 * @param deadlineMs for all stages together
 */
export function stopOnSignals(
  shutdown: ShutdownSequence,
  logger: Logger,
  clock: Clock,
  exit: (code: number) => void = (code) => process.exit(code),
  deadlineMs: number = SHUTDOWN_DEADLINE_MS,
): void {
  let firstAt: number | null = null;
  const stop = (signal: NodeJS.Signals) => {
    const now = clock.monotonic();
    if (firstAt !== null) {
      if (signal === 'SIGINT' && now - firstAt > IMPATIENT_AFTER_MS) exit(1);
      return;
    }
    firstAt = now;
    logger.info({ signal }, 'stopping');
    void shutdown.run(deadlineMs).then((well) => {
      logger.info('stopped');
      exit(well ? 0 : 1);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
