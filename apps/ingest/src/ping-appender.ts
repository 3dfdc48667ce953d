import { shardOf } from '@flatline/domain';
import { AppendUnresolved, ProducerFenced, type LogProducer, type OutgoingRecord } from '@flatline/event-log';
import { ingestPulsed, PINGS_TOPIC, pingReceived } from '@flatline/events';
import type { Clock, Logger } from '@flatline/service-kernel';
import { v7 as uuidv7 } from 'uuid';
import type { IngestMetrics } from './ingest-metrics';
import { PulseState } from './pulse-state';
import type { ReceivedSignal } from './received-signal';

/** A ping that is durable in the log. */
export interface StoredPing {
  readonly id: string;
  readonly receivedAt: number;
}

export interface PingAppenderOptions {
  readonly producer: LogProducer;
  readonly ingestId: string;
  readonly partitions: number;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
  /** Another process holds our identity: this one must end. */
  readonly onFenced: () => void;
}

interface WaitingPing extends StoredPing {
  readonly partition: number;
  readonly record: OutgoingRecord;
  readonly acceptedAt: number;
  answer: ((ping: StoredPing | null) => void) | null;
}

/** A ping is answered within this time, stored or not. */
const ANSWER_WITHIN_MS = 4_500;
const OVERDUE_CHECK_MS = 250;
/** All retries of one batch end within this time. */
const APPEND_BUDGET_MS = 4_000;
const RETRY_AFTER_MS = 100;
/** Half of it is what silence waits for its judgement on average: the watermark moves with the pulses. */
const PULSE_EVERY_MS = 250;
const MAX_BATCH = 1_000;
/** More pings than this are not kept waiting but refused: memory stays bounded whatever comes. */
const MAX_WAITING = 20_000;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** Under load, how long to let pings gather before the next append; each append costs an fsync. */
const GATHER_MS = 3;
const GATHER_BELOW = 32;

/**
 * Appends pings to the log in micro-batches, one append at a time, and pulses with them.
 *
 * A ping is answered after its batch is durable, never before. When the log cannot take it, its caller is told so
 * within {@link ANSWER_WITHIN_MS}. A pulse claims as its low watermark the receive time of the oldest ping whose fate
 * is not settled, so no ping can turn up behind it.
 */
export class PingAppender {
  private waiting: WaitingPing[] = [];
  private waitingBytes = 0;
  private inFlight: readonly WaitingPing[] = [];
  /** Oldest receive time among appends of unknown fate; settled by the next append that succeeds. */
  private unresolvedSince: number | null = null;
  private readonly sequences: number[];
  private readonly acknowledged: number[];
  private readonly pulse: PulseState;
  private lastReceivedAt = 0;
  private pulseIsDue = false;
  private wake: (() => void) | null = null;
  private loop: Promise<void> | null = null;
  private timers: NodeJS.Timeout[] = [];
  private stopping = false;
  private closed = false;

  constructor(private readonly options: PingAppenderOptions) {
    this.sequences = new Array<number>(options.partitions).fill(0);
    this.acknowledged = new Array<number>(options.partitions).fill(0);
    this.pulse = new PulseState(options.clock, options.leaseMs);
  }

  /** Begins to pulse. Pings are accepted once the first pulse is acknowledged. Call when the socket is listening. */
  start(): void {
    this.pulse.noteTurnedAway();
    this.timers = [
      setInterval(() => this.pulseNow(), PULSE_EVERY_MS),
      setInterval(() => this.answerTheOverdue(), OVERDUE_CHECK_MS),
    ];
    this.pulseNow();
    this.loop = this.run();
  }

  /** Whether pings are accepted now; otherwise they are answered with 503. */
  get isAccepting(): boolean {
    return !this.stopping && this.pulse.mayAccept;
  }

  /** Resolves with the ping once it is durable, or with null when it is not and the job should try again. */
  accept(signal: ReceivedSignal): Promise<StoredPing | null> {
    const size = signal.body?.length ?? 0;
    if (!this.isAccepting || this.waiting.length >= MAX_WAITING || this.waitingBytes + size > MAX_WAITING_BYTES) {
      return Promise.resolve(this.turnAway(this.isAccepting ? 'overload' : 'log_unavailable'));
    }
    return new Promise((answer) => {
      const ping = this.toRecord(signal);
      this.waiting.push({ ...ping, acceptedAt: this.options.clock.monotonic(), answer });
      this.waitingBytes += ping.record.value.length;
      this.wake?.();
    });
  }

  /** Stops accepting, appends what is waiting, and takes this ingest out with a last pulse if nothing is unsettled. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.timers.forEach((timer) => clearInterval(timer));
    this.wake?.();
    await this.loop;
    if (this.loop && this.unresolvedSince === null && !this.closed)
      await this.appendOnce([], true).catch(() => undefined);
    this.waiting.forEach((ping) => this.answer(ping, null));
    this.waiting = [];
    this.closed = true;
  }

  private toRecord(signal: ReceivedSignal): Omit<WaitingPing, 'acceptedAt' | 'answer'> {
    // The wall clock may step back between two pings; the low watermark needs them in order.
    const receivedAt = Math.max(this.options.clock.now(), this.lastReceivedAt);
    this.lastReceivedAt = receivedAt;
    const { heartbeatId, generation } = signal.credential;
    const partition = shardOf(heartbeatId, this.options.partitions);
    const sequence = ++this.sequences[partition]!;
    const id = uuidv7();
    const value = pingReceived.encode({
      id,
      occurredAt: receivedAt,
      producedAt: receivedAt,
      key: heartbeatId,
      correlationId: id,
      data: {
        heartbeatId,
        generation,
        kind: signal.kind,
        receivedAt,
        ingestId: this.options.ingestId,
        epoch: this.options.producer.epoch,
        sequence,
        method: signal.method,
        userAgent: signal.userAgent,
        bodyBase64: signal.body?.toString('base64'),
      },
    });
    return { id, receivedAt, partition, record: { partition, key: heartbeatId, value } };
  }

  private async run(): Promise<void> {
    for (;;) {
      if (this.waiting.length === 0 && !this.pulseIsDue) {
        if (this.stopping) return;
        await this.sleep();
        continue;
      }
      const batch = this.waiting.splice(0, MAX_BATCH);
      for (const ping of batch) this.waitingBytes -= ping.record.value.length;
      await this.appendBatch(batch);
      if (this.closed) return;
      if (batch.length > 1 && this.waiting.length < GATHER_BELOW && !this.stopping) await this.gather();
    }
  }

  /** Appends a batch, retries included, and answers its pings one way or the other. */
  private async appendBatch(batch: readonly WaitingPing[]): Promise<void> {
    const startedAt = this.options.clock.monotonic();
    this.inFlight = batch;
    for (;;) {
      try {
        await this.appendOnce(batch, false);
        batch.forEach((ping) => this.answer(ping, ping));
        break;
      } catch (error) {
        if (error instanceof ProducerFenced) {
          this.closed = true;
          this.options.onFenced();
        }
        if (error instanceof AppendUnresolved) this.noteUnresolved(batch);
        const elapsedMs = this.options.clock.monotonic() - startedAt;
        if (this.closed || elapsedMs + RETRY_AFTER_MS > APPEND_BUDGET_MS || batch.length === 0) {
          this.options.logger.warn({ err: error, pings: batch.length }, 'the event log did not take a batch of pings');
          batch.forEach((ping) => this.answer(ping, null));
          break;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      }
    }
    this.inFlight = [];
  }

  private async appendOnce(batch: readonly WaitingPing[], retiring: boolean): Promise<void> {
    const { clock, producer, metrics } = this.options;
    const withPulses = this.pulseIsDue || retiring;
    this.pulseIsDue = false;
    const sentAt = clock.monotonic();
    const records = batch.map((ping) => ping.record);
    if (withPulses) records.push(...this.pulses(retiring));
    await producer.append(PINGS_TOPIC, records);
    metrics.appendSeconds.observe((clock.monotonic() - sentAt) / 1000);
    this.unresolvedSince = null;
    for (const ping of batch) this.acknowledged[ping.partition]! += 1;
    if (withPulses) this.pulse.noteAcknowledged(sentAt);
  }

  private pulses(retiring: boolean): OutgoingRecord[] {
    const { clock, ingestId, partitions, producer } = this.options;
    const acceptingSince = this.pulse.spellForPulse();
    const now = clock.now();
    const lowWatermark = this.lowWatermark(now);
    return Array.from({ length: partitions }, (_, partition) => ({
      partition,
      key: ingestId,
      value: ingestPulsed.encode({
        id: uuidv7(),
        occurredAt: now,
        producedAt: now,
        key: ingestId,
        correlationId: ingestId,
        data: {
          ingestId,
          epoch: producer.epoch,
          lowWatermark,
          acceptingSince,
          acknowledged: this.acknowledged[partition]!,
          retiring,
        },
      }),
    }));
  }

  /** The receive time of the oldest ping that is not settled, or now. */
  private lowWatermark(now: number): number {
    return Math.min(
      this.unresolvedSince ?? now,
      this.inFlight[0]?.receivedAt ?? now,
      this.waiting[0]?.receivedAt ?? now,
      Math.max(now, this.lastReceivedAt),
    );
  }

  private noteUnresolved(batch: readonly WaitingPing[]): void {
    const oldest = batch[0]?.receivedAt;
    if (oldest !== undefined) this.unresolvedSince = Math.min(oldest, this.unresolvedSince ?? oldest);
  }

  private answer(ping: WaitingPing, outcome: StoredPing | null): void {
    if (!ping.answer) return;
    if (outcome) this.options.metrics.accepted.inc();
    ping.answer(outcome ?? this.turnAway('log_unavailable'));
    ping.answer = null;
  }

  private turnAway(reason: 'overload' | 'log_unavailable'): null {
    this.pulse.noteTurnedAway();
    this.options.metrics.refused.inc({ reason });
    return null;
  }

  /** Pings whose time is up are answered; those not yet handed to the log are dropped, the others may still be stored. */
  private answerTheOverdue(): void {
    const now = this.options.clock.monotonic();
    const isOverdue = (ping: WaitingPing): boolean => now - ping.acceptedAt > ANSWER_WITHIN_MS;
    this.inFlight.filter(isOverdue).forEach((ping) => this.answer(ping, null));
    const overdue = this.waiting.findLastIndex(isOverdue) + 1;
    for (const ping of this.waiting.splice(0, overdue)) {
      this.waitingBytes -= ping.record.value.length;
      this.answer(ping, null);
    }
  }

  private pulseNow(): void {
    this.pulseIsDue = true;
    this.wake?.();
  }

  private async sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.wake = null;
  }

  private async gather(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
  }
}
