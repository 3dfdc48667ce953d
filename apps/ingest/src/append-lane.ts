import {
  AppendRejected,
  AppendUnresolved,
  type LogProducer,
  type OutgoingRecord,
  ProducerFenced,
} from '@flatline/event-log';
import { PINGS_TOPIC } from '@flatline/events';
import type { Clock, LogClockReading, Logger } from '@flatline/service-kernel';
import type { HeldPing } from './held-ping';
import type { IngestMetrics } from './ingest-metrics';
import type { PartitionStanding, StoredPulse } from './partition-standing';

export interface LaneParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
  readonly standings: readonly PartitionStanding[];
  /** Asked once it is needed, and again when it rejected. */
  readonly openProducer: () => Promise<LogProducer>;
  readonly pulseOf: (partition: number, oldestOpenAt: number | null, retiring: boolean) => OutgoingRecord;
  /** The fate of a ping is known: it is durable, or it was given up. */
  readonly settled: (ping: HeldPing, stored: boolean) => void;
  readonly isOverdue: (ping: HeldPing) => boolean;
  /** The lane a partition belongs to after an append that the log took, or refused for this partition alone. */
  readonly laneAfter: (stored: boolean) => AppendLane;
  /** What an append tells of the log's clock. */
  readonly noteLogClock: (reading: LogClockReading) => void;
  /** Another process holds our identity. */
  readonly fenced: () => void;
}

const RETRY_AFTER_MS = 100;
const MAX_BATCH = 1_000;
/** Kafka takes batches of a partition up to 1 MB unless told otherwise; a single ping is far below. */
const MAX_BATCH_BYTES = 900_000;
/**
 * Under load pings gather before the next append, in steps, for as long as more of them come: an append costs the same
 * for one as for many, here, in the log (an fsync, or a batch for each partition) and where it is read.
 */
const GATHER_STEP_MS = 2;
const GATHER_STEPS = 5;
const ENOUGH = 256;

/**
 * Appends the pings and pulses of its partitions over one producer, one append at a time. A partition whose append
 * failed while others succeeded changes lanes, so that it keeps nobody waiting but itself.
 */
export class AppendLane {
  readonly partitions = new Set<number>();
  /** In the order of their receipt, within each partition. */
  private waiting: HeldPing[] = [];
  private inFlight: readonly HeldPing[] = [];
  /** When the append in flight was begun, monotonic; null when there is none. */
  private appendingSince: number | null = null;
  private producer: LogProducer | null = null;
  private pulseIsDue = false;
  private isFailing = false;
  private stopping = false;
  private closed = false;
  private wake: (() => void) | null = null;

  constructor(private readonly parts: LaneParts) {}

  push(ping: HeldPing): void {
    this.waiting.push(ping);
    this.wake?.();
  }

  pulseSoon(): void {
    this.pulseIsDue = true;
    this.wake?.();
  }

  /** Pings whose time is up: those that were not handed to the log are given up, the others may still be stored. */
  takeOverdue(): { readonly waiting: readonly HeldPing[]; readonly inFlight: readonly HeldPing[] } {
    const { isOverdue } = this.parts;
    const [overdue, rest] = split(this.waiting, isOverdue);
    this.waiting = rest;
    return { waiting: overdue, inFlight: this.inFlight.filter(isOverdue) };
  }

  /** For how long the append in flight has been under way, ms; 0 when there is none. */
  get appendingForMs(): number {
    return this.appendingSince === null ? 0 : this.parts.clock.monotonic() - this.appendingSince;
  }

  /** Appends until it is told to stop and nothing waits any more. */
  async run(): Promise<void> {
    while (!this.closed) {
      const hasWork = this.waiting.length > 0 || (this.pulseIsDue && this.partitions.size > 0 && !this.stopping);
      if (!hasWork) {
        if (this.stopping) return;
        await this.idle();
        continue;
      }
      const batch = this.takeBatch();
      await this.append(batch, this.takePulses(batch, false));
      if (this.isFailing) await sleep(RETRY_AFTER_MS);
      else if (batch.length > 1) await this.gather();
    }
  }

  stop(): void {
    this.stopping = true;
    this.wake?.();
  }

  /** Nothing is appended any more. Returns what was still waiting. */
  close(): readonly HeldPing[] {
    this.closed = true;
    this.wake?.();
    return this.waiting.splice(0);
  }

  /** After the end of `run`: the last pulse, for partitions where nothing is unsettled. */
  async retire(): Promise<void> {
    if (this.closed || this.isFailing || this.partitions.size === 0) return;
    this.pulseIsDue = true;
    await this.append([], this.takePulses([], true));
  }

  private takeBatch(): HeldPing[] {
    const { standings, settled } = this.parts;
    let bytes = 0;
    let count = 0;
    for (const { record } of this.waiting) {
      bytes += record.value.length;
      if (count > 0 && (count === MAX_BATCH || bytes > MAX_BATCH_BYTES)) break;
      count += 1;
    }
    const fencedOut = new Set([...this.partitions].filter((partition) => !standings[partition]!.mayAccept));
    return this.waiting.splice(0, count).filter((ping) => {
      if (fencedOut.has(ping.partition)) settled(ping, false);
      return !fencedOut.has(ping.partition);
    });
  }

  private takePulses(batch: readonly HeldPing[], retiring: boolean): OutgoingRecord[] {
    if (!this.pulseIsDue) return [];
    this.pulseIsDue = false;
    const oldestAt = new Map<number, number>();
    for (const { partition, earliestAt } of [...batch, ...this.waiting]) {
      oldestAt.set(partition, Math.min(earliestAt, oldestAt.get(partition) ?? earliestAt));
    }
    const spoken = [...this.partitions].filter(
      (partition) => !retiring || !this.parts.standings[partition]!.isUnresolved,
    );
    return spoken.map((partition) => this.parts.pulseOf(partition, oldestAt.get(partition) ?? null, retiring));
  }

  private async append(batch: readonly HeldPing[], pulses: readonly OutgoingRecord[]): Promise<void> {
    const { clock, metrics } = this.parts;
    const records = [...pulses, ...batch.map((ping) => ping.record)];
    if (records.length === 0) return;
    this.inFlight = batch;
    const sentAt = (this.appendingSince = clock.monotonic());
    let appendedAt: number | null = null;
    let failure: unknown = null;
    try {
      this.producer ??= await this.parts.openProducer();
      const before = clock.now();
      ({ appendedAt } = await this.producer.append(PINGS_TOPIC, records));
      this.parts.noteLogClock({ before, after: clock.now(), logAt: appendedAt });
      metrics.appendSeconds.observe((clock.monotonic() - sentAt) / 1000);
    } catch (error) {
      failure = error ?? new Error('the append failed without a reason');
    }
    this.inFlight = [];
    this.appendingSince = null;
    if (failure instanceof ProducerFenced) this.parts.fenced();
    this.settle(batch, pulses, { sentAt, appendedAt }, failure);
  }

  /** Partition by partition: what is stored is answered, what is not waits for the next append, in its lane. */
  private settle(
    batch: readonly HeldPing[],
    pulses: readonly OutgoingRecord[],
    storedPulse: StoredPulse,
    failure: unknown,
  ): void {
    const { standings, settled, isOverdue, laneAfter } = this.parts;
    const isFate = failure instanceof AppendRejected || failure instanceof AppendUnresolved;
    const named = isFate ? failure.partitions : undefined;
    const withPulse = new Set(pulses.map(({ partition }) => partition));
    for (const [partition, pings] of byPartition(batch, withPulse)) {
      const standing = standings[partition]!;
      const stored = failure === null || (named !== undefined && !named.includes(partition));
      if (stored) {
        const wasAccepting = standing.mayAccept;
        standing.noteStored(pings.length, withPulse.has(partition) ? storedPulse : null);
        if (!wasAccepting && standing.mayAccept) this.pulseIsDue = true; // says since when
        for (const ping of pings) settled(ping, true);
      } else {
        if (failure instanceof AppendUnresolved && pings[0]) standing.noteUnresolved(oldestOf(pings));
        const [given, kept] = split(pings, (ping) => this.closed || isOverdue(ping));
        for (const ping of given) settled(ping, false);
        this.waiting.unshift(...kept);
      }
      if (stored || named !== undefined) this.handOver(partition, laneAfter(stored));
    }
    this.noteHealth(failure, named);
  }

  private handOver(partition: number, lane: AppendLane): void {
    if (lane === this) return;
    const [moved, rest] = split(this.waiting, (ping) => ping.partition === partition);
    this.waiting = rest;
    this.partitions.delete(partition);
    lane.partitions.add(partition);
    lane.waiting.push(...moved);
    lane.pulseSoon();
  }

  /** Said once when it begins and once when it is over, not with every attempt in between. */
  private noteHealth(failure: unknown, named: readonly number[] | undefined): void {
    const { logger, laneAfter } = this.parts;
    // The first append that succeeds tells how long none did, ahead of its pings.
    if (failure !== null) this.pulseIsDue = true;
    const leftTheLane = named !== undefined && laneAfter(false) !== this;
    if (failure !== null && !this.isFailing) {
      logger.warn({ err: failure, partitions: named ?? 'all' }, 'the event log does not take pings; trying again');
    }
    if (failure === null && this.isFailing) logger.info({}, 'the event log takes pings again');
    this.isFailing = failure !== null && !leftTheLane;
  }

  private async gather(): Promise<void> {
    let before = -1;
    for (let step = 0; step < GATHER_STEPS && !this.stopping; step += 1) {
      const { length } = this.waiting;
      if (length === before || length >= ENOUGH) return;
      before = length;
      await sleep(GATHER_STEP_MS);
    }
  }

  private async idle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.wake = null;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function split(pings: readonly HeldPing[], test: (ping: HeldPing) => boolean): [HeldPing[], HeldPing[]] {
  const [passed, others]: [HeldPing[], HeldPing[]] = [[], []];
  for (const ping of pings) (test(ping) ? passed : others).push(ping);
  return [passed, others];
}

function oldestOf(pings: readonly HeldPing[]): number {
  return pings.reduce((oldest, { earliestAt }) => Math.min(oldest, earliestAt), Infinity);
}

/** The pings of each partition in their order; partitions that only had a pulse are there too. */
function byPartition(batch: readonly HeldPing[], withPulse: ReadonlySet<number>): Map<number, HeldPing[]> {
  const grouped = new Map<number, HeldPing[]>([...withPulse].map((partition) => [partition, []]));
  for (const ping of batch) {
    const known = grouped.get(ping.partition);
    if (known) known.push(ping);
    else grouped.set(ping.partition, [ping]);
  }
  return grouped;
}
