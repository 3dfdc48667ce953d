import type { Logger } from '@flatline/service-kernel';
import type { Folded } from './fold';

/** Tells the operator of heartbeats whose schedule cannot be used; they are skipped until their definition changes. */
export function reportMisfits(folded: readonly Folded[], logger: Logger): void {
  for (const { heartbeatId, misfit } of folded) {
    if (misfit !== null) logger.error({ heartbeatId, misfit }, 'a heartbeat is skipped: its schedule cannot be used');
  }
}
