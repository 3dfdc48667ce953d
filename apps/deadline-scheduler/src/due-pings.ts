import type { RuleContext } from '@flatline/domain';
import type { LogRecord } from '@flatline/event-log';
import { type LoggedPing, signalsByHeartbeat, type WaitingSignal } from './batch';
import type { ShardBatch } from './batch-transaction';
import { foldSignals, type Folded } from './fold';
import type { LockedHeartbeat } from './runtime-store';
import type { StorySpans } from './story-spans';

/** Pings of a shard that are applied together: those of its batch, and those that waited for the watermark. */
export interface Due {
  readonly shard: number;
  readonly pings: readonly LoggedPing[];
  readonly waited: readonly WaitingSignal[];
  /** What waits on: nothing has happened that could end it. */
  readonly left: readonly WaitingSignal[];
  readonly watermark: number;
  readonly context: RuleContext;
  readonly spans: StorySpans;
}

/** More than this is not kept waiting: better judged a moment early than kept without bounds. */
const MOST_WAITING = 5_000;

/** What is due with a batch. While the watermark stands, what waits is looked at only where its heartbeat is pinged again. */
export function dueIn({
  shard,
  batch: { pings },
  to: { waiting, progress },
  watermarkMoved,
  context,
  spans,
}: ShardBatch): Due {
  const areTooMany = waiting.length > MOST_WAITING;
  // Without a watermark nobody has vouched for any time yet, so there is nothing that a ping could wait for.
  const watermark = areTooMany ? Infinity : (progress.watermark ?? Infinity);
  if (waiting.length === 0 || watermarkMoved || areTooMany) {
    return { shard, pings, waited: waiting, left: [], watermark, context, spans };
  }
  const pinged = new Set(pings.map(({ heartbeatId }) => heartbeatId));
  const waited = waiting.filter(({ heartbeatId }) => pinged.has(heartbeatId));
  const left = waiting.filter(({ heartbeatId }) => !pinged.has(heartbeatId));
  return { shard, pings, waited, left, watermark, context, spans };
}

/** Nearly always nothing waited, and batches are large. */
export function signalsIn({ pings, waited }: Pick<Due, 'pings' | 'waited'>): readonly WaitingSignal[] {
  return waited.length > 0 ? [...pings, ...waited] : pings;
}

/** Each ping by itself, in the order of their dates; its record, unless it waited: then the history has it already. */
export function eachOf(due: Due): { readonly alone: Due; readonly record: LogRecord | null }[] {
  return [
    ...due.pings.map((ping) => ({ ping, alone: { ...due, pings: [ping], waited: [] }, record: ping.record })),
    ...due.waited.map((ping) => ({ ping, alone: { ...due, pings: [], waited: [ping] }, record: null })),
  ].sort((a, b) => a.ping.signal.receivedAt - b.ping.signal.receivedAt);
}

/** What of a heartbeat waits now. */
export function waitingOf({ heartbeatId, waiting }: Folded): WaitingSignal[] {
  return waiting.map((signal) => ({ heartbeatId, signal }));
}

/** Each heartbeat through all of its pings. */
export function foldAll(locked: ReadonlyMap<string, LockedHeartbeat>, due: Due, now: number): Folded[] {
  const { shard, pings, watermark, context } = due;
  // Partitions that grew took over what waited, each all of it.
  const waited = due.waited.filter(({ heartbeatId }) => locked.get(heartbeatId)?.shard === shard);
  const folded: Folded[] = [];
  for (const [id, signals] of signalsByHeartbeat(signalsIn({ pings, waited }))) {
    const heartbeat = locked.get(id);
    if (heartbeat) folded.push(foldSignals(heartbeat, signals, watermark, context, now));
  }
  return folded;
}
