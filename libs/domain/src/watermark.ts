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
  /** What the others have said since its own last pulse; null when that was the last word of all. */
  readonly silence: Silence | null;
}

/** For how long the others have gone on without an ingest, told by the log alone. */
export interface Silence {
  /** When the log took the first pulse of another ingest after its last one. */
  readonly since: number;
  readonly pulsesOfOthers: number;
}

/** A time in which one ingest took every valid ping. */
export interface AcceptingSpell {
  readonly ingestId: string;
  readonly from: number;
  readonly to: number;
}

export interface ShardProgress {
  /** Null until the first ingest ever has begun to accept. Moves back with the clock of the log alone, when that is set back. */
  readonly watermark: number | null;
  readonly ingests: Readonly<Record<string, LiveIngest>>;
  /** Spells that reach up to the watermark or beyond; the rest has been weighed for absences already. */
  readonly spells: readonly AcceptingSpell[];
  /**
   * When an operator adopted the log, until a pulse from after that has come by. Pulses appended before say nothing: they
   * may have been read once already, and would look like a clock that was set back.
   */
  readonly adoptedAt?: number;
}

export interface PulseResult {
  readonly progress: ShardProgress;
  /** Absences that have become certain with this pulse: they lie wholly before the new watermark. */
  readonly absences: readonly Absence[];
  /** Pings the ingest had acknowledged that never came by here. Above 0: the log lost data. */
  readonly missingRecords: number;
}

/** So many pulses of others must have come by before an ingest is dropped, lest the log's clock jumped. */
export const PULSES_TO_DROP = 10;

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
 * 1. A pulse of an epoch that is over is ignored: its sender has been replaced. A higher epoch replaces at once. So is one
 *    from before the log was adopted.
 * 2. Nothing lies beyond the append time. `lowWatermark` is clamped to it, so that a wrong clock cannot push the watermark
 *    into the future; and when the log's own clock was set back, everything known is cut to it, the watermark too,
 *    because pings are dated anew from there on. What an epoch has claimed it does not take back otherwise: a pulse the
 *    log holds twice, or late, changes nothing.
 * 3. A claim that is older than a lease counts as silence: the clock of its sender is far behind, or something it holds
 *    is never settled, or it stood still and has not read all that came. Nobody waits for it longer than for one that says
 *    nothing. Since when it takes pings is noted all the same.
 * 4. Ingests that the others have outlived by a lease are dropped.
 * 5. The spell of the ingest grows, or a new one begins when `acceptingSince` has moved; at that instant, also when less is
 *    claimed yet: whoever comes next must be judged by it.
 * 6. The watermark becomes the minimum over the live ingests; when the last one retires, it stops where that one ended.
 *    There is none before somebody vouches for some time: the clamp can cut the first claim to just before its own spell,
 *    and that would look like an absence of a shard that had not begun.
 * 7. Time before the watermark that no spell covers is an absence.
 *
 * @param appendedAt when the log took the record, by the log's clock, ms
 * @param leaseMs INGEST_LEASE_SECONDS, in ms
 */
export function applyPulse(before: ShardProgress, pulse: Pulse, appendedAt: number, leaseMs: number): PulseResult {
  if ((before.ingests[pulse.ingestId]?.epoch ?? 0) > pulse.epoch) return nothingNew(before); // 1
  if (appendedAt < (before.adoptedAt ?? -Infinity)) return nothingNew(before); // 1

  const progress = cutTo(before, appendedAt); // 2
  const known = progress.ingests[pulse.ingestId];
  const ofThisEpoch = known?.epoch === pulse.epoch ? known : null;
  const claimed = Math.min(pulse.lowWatermark, appendedAt);
  if (appendedAt - claimed > leaseMs && !pulse.retiring) {
    const ingests = withoutTheSilent(progress.ingests, null, appendedAt, leaseMs);
    const spells = noteSpell(progress, pulse, claimed, appendedAt);
    return nothingNew({ ...progress, ingests, spells: reaching(spells, progress.watermark) }); // 3
  }

  const lowWatermark = Math.max(claimed, ofThisEpoch?.lowWatermark ?? claimed);
  const highestSequence = ofThisEpoch?.highestSequence ?? pulse.acknowledged;
  const missingRecords = Math.max(0, pulse.acknowledged - highestSequence);
  const sender: LiveIngest = {
    epoch: pulse.epoch,
    lowWatermark,
    highestSequence: Math.max(highestSequence, pulse.acknowledged),
    silence: null,
  };

  const others = withoutTheSilent(progress.ingests, pulse.ingestId, appendedAt, leaseMs); // 4
  const spells = noteSpell(progress, pulse, lowWatermark, appendedAt); // 5
  const lowest = Math.min(lowWatermark, ...Object.values(others).map((each) => each.lowWatermark)); // 6
  const hasBegun = progress.watermark !== null || pulse.acceptingSince <= lowWatermark;
  const watermark = hasBegun ? Math.max(lowest, progress.watermark ?? lowest) : null;
  const absences = progress.watermark === null ? [] : uncovered(spells, progress.watermark, watermark!); // 7
  return {
    progress: {
      watermark,
      ingests: pulse.retiring ? others : { ...others, [pulse.ingestId]: sender },
      spells: reaching(spells, watermark),
    },
    absences,
    missingRecords,
  };
}

/**
 * Time after the watermark, up to the newest word of any ingest, that no spell covers as far as is known. It becomes an
 * absence when the watermark passes it, unless an ingest that is silent now says later that it was there. A ping that has
 * come since is judged as if it were one already: while the lease of an ingest that died runs on, nothing is certain.
 */
export function presumedAbsences({ watermark, spells }: ShardProgress): readonly Absence[] {
  if (watermark === null) return [];
  return uncovered(spells, watermark, Math.max(watermark, ...spells.map((spell) => spell.to)));
}

function nothingNew(progress: ShardProgress): PulseResult {
  return { progress, absences: [], missingRecords: 0 };
}

/** What is known, with nothing in it later than an instant: the clock of the log was set back to that one. */
function cutTo(progress: ShardProgress, at: number): ShardProgress {
  const ingests = Object.entries(progress.ingests);
  const latest = Math.max(
    progress.watermark ?? at,
    ...progress.spells.map((spell) => spell.to),
    ...ingests.map(([, { lowWatermark, silence }]) => Math.max(lowWatermark, silence?.since ?? lowWatermark)),
  );
  if (latest <= at) return progress;
  return {
    watermark: progress.watermark === null ? null : Math.min(progress.watermark, at),
    ingests: Object.fromEntries(
      ingests.map(([id, { lowWatermark, silence, ...ingest }]) => [
        id,
        {
          ...ingest,
          lowWatermark: Math.min(lowWatermark, at),
          silence: silence && { ...silence, since: Math.min(silence.since, at) },
        },
      ]),
    ),
    spells: progress.spells
      .filter((spell) => spell.from <= at)
      .map((spell) => ({ ...spell, to: Math.min(spell.to, at) })),
  };
}

/**
 * The ingests besides the sender of a pulse (null: it counts for nobody), each with one more pulse of another behind its
 * last word, and without those whose lease is over.
 *
 * Nobody's clock but the log's counts, and only while others append: when the log itself was away, or no ingest is left,
 * nobody is dropped. An ingest accepts nothing from half a lease after its last pulse on, and an append ends well within
 * the other half, so nothing it accepted can turn up after it was dropped.
 */
function withoutTheSilent(
  ingests: ShardProgress['ingests'],
  senderId: string | null,
  appendedAt: number,
  leaseMs: number,
): Record<string, LiveIngest> {
  const live: Record<string, LiveIngest> = {};
  for (const [id, ingest] of Object.entries(ingests)) {
    if (id === senderId) continue;
    const since = ingest.silence?.since ?? appendedAt;
    const pulsesOfOthers = (ingest.silence?.pulsesOfOthers ?? 0) + 1;
    if (appendedAt - since > leaseMs && pulsesOfOthers >= PULSES_TO_DROP) continue;
    live[id] = { ...ingest, silence: { since, pulsesOfOthers } };
  }
  return live;
}

/** @param to up to when the ingest vouches for all that it took */
function noteSpell(
  { spells }: ShardProgress,
  { ingestId, acceptingSince: from }: Pulse,
  to: number,
  appendedAt: number,
): readonly AcceptingSpell[] {
  const current = spells.findLast((spell) => spell.ingestId === ingestId);
  if (current && from <= current.to) {
    return spells.map((spell) => (spell === current ? { ...current, to: Math.max(current.to, to) } : spell));
  }
  if (from > appendedAt) return spells; // by a clock that is ahead
  // One that was only an instant tells nothing that the new one does not.
  const others = current && current.to === current.from ? spells.filter((spell) => spell !== current) : spells;
  return [...others, { ingestId, from, to: Math.max(from, to) }];
}

function reaching(spells: readonly AcceptingSpell[], watermark: number | null): readonly AcceptingSpell[] {
  return spells.filter((spell) => spell.to >= (watermark ?? -Infinity));
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
