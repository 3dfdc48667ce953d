import type { LogProducer, OutgoingRecord } from '@flatline/event-log';
import { ingestPulsed, PINGS_TOPIC } from '@flatline/events';
import type { Clock, ClockSkew, Logger, TraceSpan, Tracing } from '@flatline/service-kernel';
import { v7 as uuidv7 } from 'uuid';
import { AppendLane } from './append-lane';
import type { Reach } from './canary/reachability';
import { type HeldPing, recordOf, type StoredPing } from './held-ping';
import { IngestClock } from './ingest-clock';
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
  /** What the appends tell of the log's clock. */
  readonly skew: ClockSkew;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
  readonly tracing: Tracing;
  /** Whether jobs can reach this ingest, as far as it looks. */
  readonly reach: () => Reach;
  /** A ping has come. Whether that ends a time in which jobs could not reach this ingest, as far as it looks. */
  readonly noteCame: () => boolean;
  /** Another process holds our identity: this one must end. */
  readonly onFenced: () => void;
  /** An append does not end: this process accepts nothing any more, and must end. */
  readonly onStuck: (reason: string) => void;
}

type TurnedAway = 'overload' | 'log_unavailable' | 'clock_wrong';

/** A ping is answered within this time, stored or not. Until then a failed append is tried again. */
const ANSWER_WITHIN_MS = 4_500;
const OVERDUE_CHECK_MS = 250;
/** An append ends within 4 s, by its contract. One that goes on for longer than this never will. */
const STUCK_AFTER_MS = 8_000;
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
  private readonly clock: IngestClock;
  private held = 0;
  private heldBytes = 0;
  /** When this process last went on after it had stood still, monotonic. */
  private stalledUntil = 0;
  private timers: NodeJS.Timeout[] = [];
  private running: Promise<unknown> | null = null;
  private stopping = false;

  constructor(private readonly options: PingAppenderOptions) {
    const { partitions, leaseMs, producer, openSideProducer, skew } = options;
    this.clock = new IngestClock(options.clock, {
      stepped: (byMs) => this.noteStep(byMs),
      stalled: (lateMs) => this.noteStall(lateMs),
    });
    const standing = {
      clock: this.clock,
      monotonic: () => options.clock.monotonic(),
      leaseMs,
      clockIsWrong: () => skew.isTooFar,
      reach: options.reach,
    };
    this.standings = Array.from({ length: partitions }, () => new PartitionStanding(standing));
    this.main = this.lane(() => Promise.resolve(producer));
    this.side = this.lane(openSideProducer);
    for (let partition = 0; partition < partitions; partition += 1) this.main.partitions.add(partition);
  }

  /** Begins to pulse. Pings are accepted once the first pulse is acknowledged. Call when the socket is listening. */
  start(): void {
    this.clock.start();
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

  /** For readiness: why pings are accepted for no partition at all, or null. */
  missing(): string | null {
    if (this.acceptingPartitions > 0) return null;
    const why = this.options.skew.sentence() ?? 'the event log has acknowledged no pulse lately';
    return `pings are not accepted: ${why}`;
  }

  /** Resolves with the ping once it is durable, or with null when it is not and the job should try again. */
  accept(signal: ReceivedSignal): Promise<StoredPing | null> {
    const { clock, ingestId, producer } = this.options;
    const { partition } = signal.recipient;
    const standing = this.standings[partition]!;
    const size = signal.body?.length ?? 0;
    // Told ahead of the ping, by a pulse in the same append: whoever judges the ping must know what was before it.
    if (this.options.noteCame()) this.lanes().forEach((lane) => lane.pulseSoon());
    const dating = standing.date(); // first: it may find out that the clock was set
    if (this.stopping || !standing.mayAccept) return Promise.resolve(this.turnAway(partition, this.whyNot()));
    if (this.held >= MAX_HELD || this.heldBytes + size > MAX_HELD_BYTES) {
      return Promise.resolve(this.turnAway(partition, 'overload'));
    }
    return new Promise((answer) => {
      const sequence = standing.nextSequence();
      const span = this.appendSpan(signal, partition);
      const origin = { ingestId, epoch: producer.epoch, partition, sequence, dating };
      const { id, record } = recordOf(signal, origin, span?.traceparent ?? null);
      this.held += 1;
      this.heldBytes += record.value.length;
      const lane = this.side.partitions.has(partition) ? this.side : this.main;
      const { receivedAt } = dating;
      const earliestAt = dating.arrivedAfter ?? receivedAt;
      // Each property by its name: V8 takes ten times as long for an object that begins with a spread.
      lane.push({ id, record, receivedAt, earliestAt, partition, acceptedAt: clock.monotonic(), span, answer });
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
    this.clock.stop();
    for (const ping of this.lanes().flatMap((lane) => lane.close())) this.settle(ping, false);
  }

  private lanes(): readonly AppendLane[] {
    return [this.main, this.side];
  }

  private lane(openProducer: () => Promise<LogProducer>): AppendLane {
    const { clock, skew, logger, metrics, onFenced } = this.options;
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
      noteLogClock: (reading) => skew.noteAloud(reading, logger, 'pings are refused'),
      fenced: () => {
        this.stopping = true;
        this.close();
        onFenced();
      },
    });
  }

  private pulse(partition: number, oldestOpenAt: number | null, retiring: boolean): OutgoingRecord {
    const { ingestId, producer } = this.options;
    const standing = this.standings[partition]!;
    if (this.stopping) standing.noteTurnedAway(); // the socket is closed
    const claim = standing.claim(oldestOpenAt, retiring);
    const now = standing.instant();
    const value = ingestPulsed.encode({
      id: uuidv7(),
      occurredAt: now,
      producedAt: now,
      key: ingestId,
      correlationId: ingestId,
      data: { ingestId, epoch: producer.epoch, ...claim },
    });
    return { partition, key: ingestId, value };
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
    ping.answer(stored ? ping : this.turnAway(ping.partition, this.whyNot()));
    ping.answer = null;
  }

  private whyNot(): TurnedAway {
    return this.options.skew.isTooFar ? 'clock_wrong' : 'log_unavailable';
  }

  private turnAway(partition: number, reason: TurnedAway): null {
    const standing = this.standings[partition]!;
    standing.noteTurnedAway();
    // Told ahead of the job's next attempt. While nothing is accepted, the pulse that lets pings in again tells it.
    if (standing.mayAccept) this.lanes().forEach((lane) => lane.pulseSoon());
    this.options.metrics.refused.inc({ reason });
    return null;
  }

  /** Time does not go on as it did: nothing is accepted before a pulse has told so. */
  private noteStep(byMs: number): void {
    for (const standing of this.standings) standing.noteStep(byMs);
    this.options.metrics.clockSteps.inc();
    this.options.logger.warn(
      { byMs: Math.round(byMs) },
      'the wall clock was set; pings are accepted after the next pulse',
    );
    this.lanes().forEach((lane) => lane.pulseSoon());
  }

  private noteStall(lateMs: number): void {
    this.stalledUntil = this.options.clock.monotonic();
    this.options.metrics.stalls.inc();
    this.options.logger.warn({ lateMs: Math.round(lateMs) }, 'the process stood still');
  }

  private answerTheOverdue(): void {
    for (const { waiting, inFlight } of this.lanes().map((lane) => lane.takeOverdue())) {
      for (const ping of waiting) this.settle(ping, false);
      for (const ping of inFlight) this.answer(ping, false);
    }
    this.endIfStuck();
  }

  /** One lane that stands for ever would hold its pings, and let the watermark wait, for ever. A new process begins anew. */
  private endIfStuck(): void {
    const awakeForMs = this.options.clock.monotonic() - this.stalledUntil;
    const longestMs = Math.max(...this.lanes().map((lane) => lane.appendingForMs));
    if (Math.min(awakeForMs, longestMs) <= STUCK_AFTER_MS || this.stopping) return;
    this.stopping = true;
    this.running = null; // it does not end: stop() must not wait for it
    this.close();
    this.options.onStuck(`an append to the event log has not ended for ${Math.round(longestMs / 1000)} s`);
  }
}
