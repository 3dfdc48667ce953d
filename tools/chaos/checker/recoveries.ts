import type { Entry, FaultEntry } from '../journal/entries';

/** How soon after a fault everything was well again. */
export interface Recovery {
  readonly fault: FaultEntry;
  /** From its end until pings got through in every shard, ms; null: they never did. */
  readonly pingsAfterMs: number | null;
  /** From its end until the watermark of every shard was less than 2 s behind, ms. */
  readonly lagAfterMs: number | null;
}

export const WELL_LAG_MS = 2_000;

/** What was seen at an instant. */
interface Look {
  readonly at: number;
  readonly isWell: boolean;
}

/**
 * Looks at what happened between a fault and the next one that begins after its end. Faults that overlap, or whose
 * consequences outlast the next, count for one another.
 */
export function recoveriesOf(entries: readonly Entry[]): Recovery[] {
  const probes = probesOf(entries);
  const lags = entries
    .filter((entry) => entry.type === 'lag')
    .map(({ at, lagMs }): Look => ({ at, isWell: lagMs !== null && lagMs < WELL_LAG_MS }));
  const faults = entries.filter((entry): entry is FaultEntry => entry.type === 'fault');
  return faults.map((fault) => {
    const next = Math.min(...faults.map(({ startedAt }) => startedAt).filter((at) => at > fault.endedAt));
    const shards = probes.map((looks) => wellAfter(looks, fault, next));
    return {
      fault,
      pingsAfterMs: shards.some((ms) => ms === null) ? null : Math.max(0, ...shards.map((ms) => ms ?? 0)),
      lagAfterMs: wellAfter(lags, fault, next),
    };
  });
}

/** The pings of each probe. */
function probesOf(entries: readonly Entry[]): Look[][] {
  const looks = new Map<string, Look[]>();
  for (const entry of entries) {
    if (entry.type === 'job' && entry.probeOf !== null) looks.set(entry.id, []);
    if (entry.type === 'ping') looks.get(entry.id)?.push({ at: entry.endedAt, isWell: entry.status === 200 });
  }
  return [...looks.values()];
}

/** From the end of a fault to the first good look after the last bad one before the next fault; null: there is none. */
function wellAfter(looks: readonly Look[], { startedAt, endedAt }: FaultEntry, next: number): number | null {
  const lastBad = looks.findLast(({ at, isWell }) => !isWell && at >= startedAt && at < next);
  if (!lastBad) return 0;
  const well = looks.find(({ at, isWell }) => isWell && at > lastBad.at);
  return well ? Math.max(0, well.at - endedAt) : null;
}
