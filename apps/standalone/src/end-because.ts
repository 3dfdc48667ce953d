import { type Kernel, SHUTDOWN_DEADLINE_MS } from '@flatline/service-kernel';

/** Something this process cannot go on without is gone: it stops in order and ends with exit code 1. */
export function endBecause({ logger, shutdown }: Kernel, reason: string): void {
  logger.fatal(reason);
  void shutdown.run(SHUTDOWN_DEADLINE_MS).then(() => process.exit(1));
}
