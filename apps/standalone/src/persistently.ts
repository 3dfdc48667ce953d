import { setTimeout as sleep } from 'node:timers/promises';
import { isMistake } from '@flatline/infrastructure';
import type { Kernel } from '@flatline/service-kernel';

const TRIES = 6;
const PAUSE_MS = 500;

/**
 * A step of the start on a Postgres of our own. Whoever ends that, or a session of it, meanwhile may not do so again, and
 * nobody may be there to start Flatline again; so the step is tried some times, unless somebody has to change something
 * first. It must leave nothing behind when it fails.
 */
export async function persistently<Result>(
  { logger, shutdown }: Pick<Kernel, 'logger' | 'shutdown'>,
  step: () => Promise<Result>,
  pause: (ms: number) => Promise<unknown> = sleep,
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await step();
    } catch (error) {
      if (tries === TRIES || shutdown.begun || isMistake(error)) throw error;
      logger.warn({ err: error, tries }, 'a step of the start failed; trying again');
    }
    await pause(PAUSE_MS);
  }
}
