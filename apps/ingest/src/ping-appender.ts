import type { LogProducer, OutgoingRecord } from '@flatline/event-log';
import { ingestPulsed, PINGS_TOPIC } from '@flatline/events';
import type { Clock, Logger, TraceSpan, Tracing } from '@flatline/service-kernel';
import { v7 as uuidv7 } from 'uuid';
import { AppendLane } from './append-lane';
import { type HeldPing, recordOf, type StoredPing } from './held-ping';
import type { IngestMetrics } from './ingest-metrics';
import { PartitionStanding } from './partition-standing';
import type { ReceivedSignal } from './received-signal';

export interface PingAppenderOptions {
  readonly producer: LogProducer;
  /** Opens one more, for partitions whose appends fail while others succeed; asked when that first happens. */
  readonly openSideProducer: () => Promise<LogProducer>;
  readonly ingestId: string;
  readonly partitions: number;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
  readonly tracing: Tracing;
  /** Another process holds our identity: this one must end. */
  readonly onFenced: () => void;
}

/** A ping is answered within this time, stored or not. Until then a failed append is tried again. */
const ANSWER_WITHIN_MS = 4_500;
const OVERDUE_CHECK_MS = 250;
/** Half of it is what silence waits for its judgement on average: the watermark moves with the pulses. */
const PULSE_EVERY_MS = 250;
/** More pings than this are not kept waiting but refused: memory stays bounded whatever comes. */
const MAX_HELD = 20_000;
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/**
 * Appends pings to the log in micro-batches, and pulses with them.
 *
 * A ping is answered after its batch is durable, never before. When the log cannot take it, its caller is told so within
 * {@link ANSWER_WITHIN_MS}. Everything usually goes through one lane, one append at a time; partitions that alone are
 * refused by the log try again in a lane beside it.
 */
export class PingAppender {
  private readonly standings: readonly PartitionStanding[];
  private readonly main: AppendLane;
  private readonly side: AppendLane;
  private held = 0;
  private heldBytes = 0;
  private latestInstant = 0;
  private timers: NodeJS.Timeout[] = [];
  private running: Promise<unknown> | null = null;
  private stopping = false;

  constructor(private readonly options: PingAppenderOptions) {
    const { partitions, clock, leaseMs, producer, openSideProducer } = options;
    this.standings = Array.from({ length: partitions }, () => new PartitionStanding(clock, leaseMs));
    this.main = this.lane(() => Promise.resolve(producer));
    this.side = this.lane(openSideProducer);
    for (let partition = 0; partition < partitions; partition += 1) this.main.partitions.add(partition);
  }

  /** Begins to pulse. Pings are accepted once the first pulse is acknowledged. Call when the socket is listening. */
  start(): void {
    for (const standing of this.standings) standing.noteTurnedAway();
    this.timers = [
      setInterval(() => this.lanes().forEach((lane) => lane.pulseSoon()), PULSE_EVERY_MS),
      setInterval(() => this.answerTheOverdue(), OVERDUE_CHECK_MS),
    ];
    this.main.pulseSoon();
    this.running = Promise.all(this.lanes().map((lane) => lane.run()));
  }

  /** For how many partitions pings are accepted now; those of the others are answered with 503. */
  get acceptingPartitions(): number {
    return this.stopping ? 0 : this.standings.filter((standing) => standing.mayAccept).length;
  }

  /** Resolves with the ping once it is durable, or with null when it is not and the job should try again. */
  accept(signal: ReceivedSignal): Promise<StoredPing | null> {
    const { clock, ingestId, producer } = this.options;
    const { partition } = signal.recipient;
    const standing = this.standings[partition]!;
    const size = signal.body?.length ?? 0;
    if (this.stopping || !standing.mayAccept) return Promise.resolve(this.turnAway(partition, 'log_unavailable'));
    if (this.held >= MAX_HELD || this.heldBytes + size > MAX_HELD_BYTES) {
      return Promise.resolve(this.turnAway(partition, 'overload'));
    }
    return new Promise((answer) => {
      const receivedAt = this.instant();
      const sequence = standing.nextSequence();
      const span = this.appendSpan(signal, partition);
      const origin = { ingestId, epoch: producer.epoch, partition, sequence, receivedAt };
      const made = recordOf(signal, origin, span?.traceparent ?? null);
      this.held += 1;
      this.heldBytes += made.record.value.length;
      const lane = this.side.partitions.has(partition) ? this.side : this.main;
      lane.push({ ...made, receivedAt, partition, acceptedAt: clock.monotonic(), span, answer });
    });
  }

  /** Stops accepting, appends what is waiting, and takes this ingest out with a last pulse where nothing is unsettled. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.lanes().forEach((lane) => lane.stop());
    await this.running;
    if (this.running) await Promise.all(this.lanes().map((lane) => lane.retire()));
    this.close();
  }

  private close(): void {
    this.timers.forEach((timer) => clearInterval(timer));
    for (const ping of this.lanes().flatMap((lane) => lane.close())) this.settle(ping, false);
  }

  private lanes(): readonly AppendLane[] {
    return [this.main, this.side];
  }

  private lane(openProducer: () => Promise<LogProducer>): AppendLane {
    const { clock, logger, metrics, onFenced } = this.options;
    return new AppendLane({
      clock,
      logger,
      metrics,
      standings: this.standings,
      openProducer,
      pulseOf: (partition, oldestOpenAt, retiring) => this.pulse(partition, oldestOpenAt, retiring),
      settled: (ping, stored) => this.settle(ping, stored),
      isOverdue: ({ acceptedAt }) => clock.monotonic() - acceptedAt > ANSWER_WITHIN_MS,
      laneAfter: (stored) => (stored ? this.main : this.side),
      fenced: () => {
        this.stopping = true;
        this.close();
        onFenced();
      },
    });
  }

  private pulse(partition: number, oldestOpenAt: number | null, retiring: boolean): OutgoingRecord {
    const { ingestId, producer } = this.options;
    const now = this.instant();
    const claim = this.standings[partition]!.claim(oldestOpenAt ?? now);
    const value = ingestPulsed.encode({
      id: uuidv7(),
      occurredAt: now,
      producedAt: now,
      key: ingestId,
      correlationId: ingestId,
      data: { ingestId, epoch: producer.epoch, ...claim, retiring },
    });
    return { partition, key: ingestId, value };
  }

  /** The wall clock may step back; no ping may be dated before what a pulse has claimed, or before an earlier ping. */
  private instant(): number {
    this.latestInstant = Math.max(this.options.clock.now(), this.latestInstant);
    return this.latestInstant;
  }

  /** From here to the acknowledgement of the log; what follows from the ping belongs under it. */
  private appendSpan({ traceparent }: ReceivedSignal, partition: number): TraceSpan | null {
    if (!traceparent) return null;
    const attributes = { 'messaging.destination.name': PINGS_TOPIC, 'messaging.destination.partition.id': partition };
    return this.options.tracing.start('append', { kind: 'producer', parent: traceparent, attributes });
  }

  private settle(ping: HeldPing, stored: boolean): void {
    if (!stored) ping.span?.fail('not stored');
    ping.span?.end();
    this.held -= 1;
    this.heldBytes -= ping.record.value.length;
    this.answer(ping, stored);
  }

  private answer(ping: HeldPing, stored: boolean): void {
    if (!ping.answer) return;
    if (stored) this.options.metrics.accepted.inc();
    ping.answer(stored ? ping : this.turnAway(ping.partition, 'log_unavailable'));
    ping.answer = null;
  }

  private turnAway(partition: number, reason: 'overload' | 'log_unavailable'): null {
    this.standings[partition]!.noteTurnedAway();
    this.options.metrics.refused.inc({ reason });
    return null;
  }

  private answerTheOverdue(): void {
    for (const { waiting, inFlight } of this.lanes().map((lane) => lane.takeOverdue())) {
      for (const ping of waiting) this.settle(ping, false);
      for (const ping of inFlight) this.answer(ping, false);
    }
  }
}
