import type { Kernel } from './kernel.module';
import { SHUTDOWN_DEADLINE_MS } from './signals';

/** Something this process cannot go on without is gone: it stops in order and ends with exit code 1. */
export function endBecause({ logger, shutdown }: Pick<Kernel, 'logger' | 'shutdown'>, reason: string): void {
  logger.fatal(reason);
  void shutdown.run(SHUTDOWN_DEADLINE_MS).then(() => process.exit(1));
}
