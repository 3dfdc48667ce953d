import { isBeforeTheDoor, takesEveryPing } from '../faults/fault';
import type { Entry, FaultEntry } from '../journal/entries';
import type { Span } from './truth';

/**
 * The times in which no ping could be stored, as Flatline has to know: from the beginning of a fault that takes every ping
 * until one has got through again. Where the network before the door was bad as well, only the fault itself counts, because
 * nobody behind the door knows of that.
 */
export function outagesOf(entries: readonly Entry[]): Span[] {
  const faults = entries.filter((entry): entry is FaultEntry => entry.type === 'fault');
  const probes = new Set(
    entries.flatMap((entry) => (entry.type === 'job' && entry.probeOf !== null ? [entry.id] : [])),
  );
  const throughAt = entries
    .flatMap((entry) => (entry.type === 'ping' && entry.status === 200 && probes.has(entry.id) ? [entry.sentAt] : []))
    .sort((a, b) => a - b);
  const beforeTheDoor = faults.filter(({ target }) => isBeforeTheDoor(target));
  return faults
    .filter(({ target }) => takesEveryPing(target))
    .map(({ startedAt, endedAt }) => {
      const back = throughAt.find((at) => at > endedAt) ?? endedAt;
      const isKnown = !beforeTheDoor.some((fault) => fault.startedAt < back && fault.endedAt > startedAt);
      return { from: startedAt, to: isKnown ? back : endedAt };
    });
}
