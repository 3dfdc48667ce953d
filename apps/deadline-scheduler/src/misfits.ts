import type { PoisonRecord } from '@flatline/persistence';
import type { Logger } from '@flatline/service-kernel';
import type { Folded } from './fold';

/** Tells the operator of heartbeats that are not judged any more, or are again: once, however often they are looked at. */
export function reportMisfits(folded: readonly Folded[], logger: Logger): void {
  for (const { heartbeatId, misfit, misfitIsNews, restored } of folded) {
    if (restored !== null) {
      logger.error({ heartbeatId, contradiction: restored }, 'the state of a heartbeat was put together again');
    }
    if (!misfitIsNews) continue;
    if (misfit === null) logger.info({ heartbeatId }, 'a heartbeat is judged again');
    else logger.error({ heartbeatId, misfit }, 'a heartbeat is not judged: its schedule or its data cannot be used');
  }
}

/** Tells the operator of records that were put aside: one line for a batch, because poison seldom comes alone. */
export function reportPoison(poison: readonly PoisonRecord[], logger: Logger): void {
  const [first] = poison;
  if (!first) return;
  const { topic, partition, offset } = first.record;
  const fields = { topic, partition, offset, reason: first.reason, count: poison.length };
  logger.error(fields, 'records of the event log were put aside');
}
