import { AppendRejected, AppendUnresolved, type LogProducer, type OutgoingRecord } from '@flatline/event-log';
import { eventParser, ingestPulsed, pingReceived } from '@flatline/events';
import { ClockSkew, type Logger, Metrics, NO_TRACING } from '@flatline/service-kernel';
import { eventually, type FakeClock } from '@flatline/test-kit';
import { UNCHECKED } from './canary/reachability';
import { IngestMetrics } from './ingest-metrics';
import { PingAppender, type PingAppenderOptions } from './ping-appender';
import type { ReceivedSignal } from './received-signal';

export const HEARTBEAT = '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a';
export const LEASE_MS = 10_000;
const parse = eventParser(pingReceived, ingestPulsed);

/** A log whose appends the test lets succeed or fail one by one. */
export class ScriptedProducer implements LogProducer {
  readonly epoch = 3;
  readonly appended: OutgoingRecord[][] = [];
  private readonly calls: { records: readonly OutgoingRecord[]; settle: (error?: Error) => void }[] = [];
  automatic = true;
  /** What the clock of the log is ahead of the test's, ms. */
  logAheadMs = 0;

  constructor(private readonly clock: FakeClock) {}

  append(_topic: string, records: readonly OutgoingRecord[]) {
    return new Promise<{ appendedAt: number }>((resolve, reject) => {
      const settle = (error?: Error): void => {
        const failed =
          error instanceof AppendRejected || error instanceof AppendUnresolved ? error.partitions : undefined;
        if (!error || failed) this.appended.push(records.filter(({ partition }) => !failed?.includes(partition)));
        if (error) reject(error);
        else resolve({ appendedAt: this.clock.now() + this.logAheadMs });
      };
      if (this.automatic) settle();
      else this.calls.push({ records, settle });
    });
  }

  /** The append that is waiting, once there is one. */
  async next() {
    return eventually(
      () => {
        const call = this.calls.shift();
        if (!call) throw new Error('nothing was appended');
        return call;
      },
      { withinMs: 2_000, everyMs: 5 },
    );
  }

  /** Lets whatever is waiting succeed. */
  release(): void {
    for (const call of this.calls.splice(0)) call.settle();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  events() {
    return this.appended.flat().map((record) => parse(record.value));
  }

  pings() {
    return this.events().flatMap((event) => (event.type === 'ping.received' ? [event.data] : []));
  }

  pulses() {
    return this.events().flatMap((event) => (event.type === 'ingest.pulsed' ? [event.data] : []));
  }
}

export const signal: ReceivedSignal = {
  recipient: { heartbeatId: HEARTBEAT, generation: 0, partition: 0 },
  kind: 'success',
  method: 'POST',
  userAgent: 'curl/8',
  body: undefined,
};

/** What the pulses in an append say, and of which partition. */
export function pulsesIn(records: readonly OutgoingRecord[]) {
  return records.flatMap(({ partition, value }) => {
    const event = parse(value);
    return event.type === 'ingest.pulsed' ? [{ ...event.data, partition }] : [];
  });
}

/** An appender of two partitions over producers that the test scripts. */
export function openTestAppender(
  clock: FakeClock,
  producer: ScriptedProducer,
  overrides: Partial<PingAppenderOptions> = {},
): PingAppender {
  return new PingAppender({
    producer,
    openSideProducer: () => Promise.resolve(new ScriptedProducer(clock)),
    ingestId: 'embedded',
    partitions: 2,
    leaseMs: LEASE_MS,
    clock,
    skew: new ClockSkew(1_000),
    logger: { error: () => {}, warn: () => {}, info: () => {} } as unknown as Logger,
    metrics: new IngestMetrics(
      new Metrics(),
      () => 0,
      () => 0,
    ),
    tracing: NO_TRACING,
    reach: () => UNCHECKED,
    noteCame: () => false,
    onFenced: () => {},
    onStuck: () => {},
    ...overrides,
  });
}
