import type { Absence } from './heartbeat';

/**
 * The watermark of a shard: the instant up to which every accepted ping has been processed. Derived from the pulses of
 * the ingests, in the order of the log, and from nothing else; silence is judged against it and never against a clock.
 *
 * All functions are pure; the state is stored with the consumer's position, in the same transaction.
 */

/** What a pulse says. Instants in ms; see the event `ingest.pulsed` for the meaning of each field. */
export interface Pulse {
  readonly ingestId: string;
  readonly epoch: number;
  readonly lowWatermark: number;
  readonly acceptingSince: number;
  readonly acknowledged: number;
  readonly retiring: boolean;
}

/** An ingest as this shard knows it. */
export interface LiveIngest {
  readonly epoch: number;
  readonly lowWatermark: number;
  /** The highest running number seen on its pings in this epoch. */
  readonly highestSequence: number;
}

/** A time in which one ingest took every valid ping. */
export interface AcceptingSpell {
  readonly ingestId: string;
  readonly from: number;
  readonly to: number;
}

export interface ShardProgress {
  /** Null until the first pulse ever. Never moves back. */
  readonly watermark: number | null;
  readonly ingests: Readonly<Record<string, LiveIngest>>;
  /** Spells that reach up to the watermark or beyond; the rest has been weighed for absences already. */
  readonly spells: readonly AcceptingSpell[];
}

export interface PulseResult {
  readonly progress: ShardProgress;
  /** Absences that have become certain with this pulse: they lie wholly before the new watermark. */
  readonly absences: readonly Absence[];
  /** Pings the ingest had acknowledged that never came by here. Above 0: the log lost data. */
  readonly missingRecords: number;
}

export const emptyProgress: ShardProgress = { watermark: null, ingests: {}, spells: [] };

/** Notes a ping of an ingest, so that its pulses can be checked against what came by. */
export function notePing(
  progress: ShardProgress,
  ping: { readonly ingestId: string; readonly epoch: number; readonly sequence: number },
): ShardProgress {
  const known = progress.ingests[ping.ingestId];
  if (!known || known.epoch !== ping.epoch || known.highestSequence >= ping.sequence) return progress;
  return {
    ...progress,
    ingests: { ...progress.ingests, [ping.ingestId]: { ...known, highestSequence: ping.sequence } },
  };
}

/**
 * Applies one pulse.
 *
 * 1. A pulse of an epoch that is over is ignored: its sender has been replaced.
 * 2. `lowWatermark` is clamped to the append time, so that a wrong clock cannot push the watermark into the future.
 * 3. The spell of the ingest grows, or a new one begins when `acceptingSince` has moved.
 * 4. The watermark becomes the minimum over the live ingests; when the last one retires, it stops where that one ended.
 * 5. Time before the watermark that no spell covers is an absence.
 *
 * @param appendedAt when the log took the record, by the log's clock, ms
 */
export function applyPulse(progress: ShardProgress, pulse: Pulse, appendedAt: number): PulseResult {
  const known = progress.ingests[pulse.ingestId];
  if (known && known.epoch > pulse.epoch) return { progress, absences: [], missingRecords: 0 }; // 1

  const lowWatermark = Math.min(pulse.lowWatermark, appendedAt); // 2
  const sameEpoch = known?.epoch === pulse.epoch;
  const highestSequence = sameEpoch ? known.highestSequence : pulse.acknowledged;
  const missingRecords = Math.max(0, pulse.acknowledged - highestSequence);

  const spells = extendSpell(progress.spells, pulse.ingestId, pulse.acceptingSince, lowWatermark); // 3
  const others = Object.fromEntries(Object.entries(progress.ingests).filter(([id]) => id !== pulse.ingestId));
  const live: LiveIngest = {
    epoch: pulse.epoch,
    lowWatermark,
    highestSequence: Math.max(highestSequence, pulse.acknowledged),
  };
  const ingests = pulse.retiring ? others : { ...others, [pulse.ingestId]: live };

  const lowest = Math.min(...Object.values({ ...ingests, [pulse.ingestId]: live }).map((each) => each.lowWatermark)); // 4
  const watermark = Math.max(lowest, progress.watermark ?? lowest);

  const absences = progress.watermark === null ? [] : uncovered(spells, progress.watermark, watermark); // 5
  const stillNeeded = spells.filter((spell) => spell.to >= watermark);
  return { progress: { watermark, ingests, spells: stillNeeded }, absences, missingRecords };
}

function extendSpell(
  spells: readonly AcceptingSpell[],
  ingestId: string,
  from: number,
  to: number,
): readonly AcceptingSpell[] {
  const current = spells.findLast((spell) => spell.ingestId === ingestId);
  if (current && from <= current.to) {
    return spells.map((spell) => (spell === current ? { ...current, to: Math.max(current.to, to) } : spell));
  }
  return to < from ? spells : [...spells, { ingestId, from, to }];
}

/** The parts of [from, to] that no spell covers. */
function uncovered(spells: readonly AcceptingSpell[], from: number, to: number): Absence[] {
  const gaps: Absence[] = [];
  let coveredUntil = from;
  for (const spell of [...spells].sort((a, b) => a.from - b.from)) {
    if (spell.from >= to) break;
    if (spell.from > coveredUntil) gaps.push({ startedAt: coveredUntil, endedAt: spell.from });
    coveredUntil = Math.max(coveredUntil, spell.to);
  }
  if (coveredUntil < to) gaps.push({ startedAt: coveredUntil, endedAt: to });
  return gaps;
}
