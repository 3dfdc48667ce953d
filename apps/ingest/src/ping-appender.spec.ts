import { AppendRejected, AppendUnresolved, type LogProducer, type OutgoingRecord } from '@flatline/event-log';
import { eventParser, ingestPulsed, pingReceived } from '@flatline/events';
import { Metrics, type Logger } from '@flatline/service-kernel';
import { eventually, FakeClock } from '@flatline/test-kit';
import { IngestMetrics } from './ingest-metrics';
import { PingAppender, type StoredPing } from './ping-appender';
import type { ReceivedSignal } from './received-signal';

const HEARTBEAT = '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b8a';
const parse = eventParser(pingReceived, ingestPulsed);

/** A log whose appends the test lets succeed or fail one by one. */
class ScriptedProducer implements LogProducer {
  readonly epoch = 3;
  readonly appended: OutgoingRecord[][] = [];
  private readonly calls: { records: readonly OutgoingRecord[]; settle: (error?: Error) => void }[] = [];
  automatic = true;

  append(_topic: string, records: readonly OutgoingRecord[]) {
    return new Promise<{ appendedAt: number }>((resolve, reject) => {
      const settle = (error?: Error): void => {
        if (error) return reject(error);
        this.appended.push([...records]);
        resolve({ appendedAt: 0 });
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

  close(): Promise<void> {
    return Promise.resolve();
  }

  events() {
    return this.appended.flat().map((record) => parse(record.value));
  }

  pulses() {
    return this.events().flatMap((event) => (event.type === 'ingest.pulsed' ? [event.data] : []));
  }
}

const signal: ReceivedSignal = {
  credential: { heartbeatId: HEARTBEAT, generation: 0 },
  kind: 'success',
  method: 'POST',
  userAgent: 'curl/8',
  body: undefined,
};

describe('the ping appender', () => {
  let producer: ScriptedProducer;
  let clock: FakeClock;
  let appender: PingAppender;

  beforeEach(async () => {
    producer = new ScriptedProducer();
    clock = new FakeClock();
    appender = new PingAppender({
      producer,
      ingestId: 'embedded',
      partitions: 2,
      leaseMs: 10_000,
      clock,
      logger: { warn: () => {} } as unknown as Logger,
      metrics: new IngestMetrics(new Metrics()),
      onFenced: () => {},
    });
  });
  afterEach(async () => {
    producer.automatic = true;
    await appender.stop();
  });

  async function accepting(): Promise<void> {
    appender.start();
    await eventually(() => expect(appender.isAccepting).toBe(true), { withinMs: 2_000, everyMs: 5 });
  }

  it('accepts nothing before its first pulse is acknowledged, so that consumers know it before its first ping', async () => {
    producer.automatic = false;
    appender.start();
    expect(await appender.accept(signal)).toBeNull();
    (await producer.next()).settle();
    await eventually(() => expect(appender.isAccepting).toBe(true), { withinMs: 2_000, everyMs: 5 });
  });

  it('answers a ping only after its append is acknowledged, with the id that is in the log', async () => {
    await accepting();
    producer.automatic = false;
    let stored: StoredPing | null | undefined;
    const answer = appender.accept(signal).then((ping) => (stored = ping));
    const append = await producer.next();
    expect(stored).toBeUndefined();
    append.settle();
    await answer;
    expect(producer.events().at(-1)).toMatchObject({ id: stored?.id, type: 'ping.received', key: HEARTBEAT });
  });

  it('puts everything that came in during an append into the next one', async () => {
    await accepting();
    producer.automatic = false;
    const first = appender.accept(signal);
    const append = await producer.next();
    const others = Array.from({ length: 50 }, () => appender.accept(signal));
    append.settle();
    await first;
    (await producer.next()).settle();
    await Promise.all(others);
    expect(producer.appended.at(-1)?.filter((record) => record.key === HEARTBEAT)).toHaveLength(50);
  });

  it('claims as low watermark the oldest ping whose fate is open, and the clock when there is none', async () => {
    await accepting();
    const receivedAt = clock.now();
    producer.automatic = false;
    const ping = appender.accept(signal);
    const append = await producer.next();
    clock.advance(300);
    append.settle(new AppendUnresolved('who knows'));
    const retry = await producer.next();
    // A pulse that falls due meanwhile must not claim what is not settled.
    await eventually(() => expect(retry.records.length).toBeGreaterThan(0), { withinMs: 1_000 });
    retry.settle();
    await ping;
    producer.automatic = true;
    await eventually(() => expect(producer.pulses().at(-1)?.lowWatermark).toBe(clock.now()), { withinMs: 3_000 });
    for (const pulse of producer.pulses().slice(0, -2)) expect(pulse.lowWatermark).toBeLessThanOrEqual(receivedAt);
  });

  it('tries again what was rejected, and then answers 200', async () => {
    await accepting();
    producer.automatic = false;
    const answer = appender.accept(signal);
    (await producer.next()).settle(new AppendRejected('busy'));
    (await producer.next()).settle();
    expect(await answer).not.toBeNull();
  });

  it('turns pings away when the log takes nothing for the time a batch may take', async () => {
    await accepting();
    producer.automatic = false;
    const answer = appender.accept(signal);
    const append = await producer.next();
    clock.advance(4_000);
    append.settle(new AppendRejected('down'));
    expect(await answer).toBeNull();
  });

  it('begins a new accepting spell when it turned a ping away', async () => {
    await accepting();
    const before = producer.pulses().at(-1)!.acceptingSince;
    producer.automatic = false;
    const answer = appender.accept(signal);
    const append = await producer.next();
    clock.advance(4_000);
    const turnedAwayAt = clock.now();
    append.settle(new AppendRejected('down'));
    await answer;
    producer.automatic = true;
    await eventually(() => expect(producer.pulses().at(-1)?.acceptingSince).toBe(turnedAwayAt), { withinMs: 3_000 });
    expect(turnedAwayAt).toBeGreaterThan(before);
  });

  it('is fenced when half a lease has passed since a pulse got through, and says so with the next one', async () => {
    await accepting();
    producer.automatic = false;
    clock.advance(5_001);
    expect(appender.isAccepting).toBe(false);
    expect(await appender.accept(signal)).toBeNull();
    const fencedUntil = clock.now();
    (await producer.next()).settle();
    await eventually(() => expect(appender.isAccepting).toBe(true), { withinMs: 2_000, everyMs: 5 });
    expect(producer.pulses().at(-1)?.acceptingSince).toBe(fencedUntil);
  });

  it('counts its pings per partition and tells how many were acknowledged', async () => {
    await accepting();
    await Promise.all([appender.accept(signal), appender.accept(signal), appender.accept(signal)]);
    await eventually(
      () =>
        expect(
          producer
            .pulses()
            .slice(-2)
            .map((pulse) => pulse.acknowledged)
            .sort(),
        ).toEqual([0, 3]),
      { withinMs: 3_000 },
    );
    const sequences = producer
      .events()
      .flatMap((event) => (event.type === 'ping.received' ? [event.data.sequence] : []));
    expect(sequences).toEqual([1, 2, 3]);
  });

  it('keeps a bounded number of pings waiting and turns the rest away at once', async () => {
    await accepting();
    producer.automatic = false;
    const answers = Array.from({ length: 25_000 }, () => appender.accept(signal));
    const turnedAway = await Promise.race([Promise.all(answers.slice(22_000)), Promise.resolve('waiting')]);
    expect(turnedAway).toBe('waiting');
    await expect(answers.at(-1)).resolves.toBeNull();
    producer.automatic = true;
    (await producer.next()).settle();
    const outcomes = await Promise.all(answers);
    expect(outcomes.filter((outcome) => outcome === null).length).toBeGreaterThanOrEqual(4_000);
    expect(outcomes.filter((outcome) => outcome !== null).length).toBeGreaterThanOrEqual(20_000);
  });

  it('stores what is waiting and retires with its last pulse when it stops', async () => {
    await accepting();
    const answers = [appender.accept(signal), appender.accept(signal)];
    await appender.stop();
    expect((await Promise.all(answers)).every((ping) => ping !== null)).toBe(true);
    expect(producer.pulses().slice(-2)).toEqual([
      expect.objectContaining({ retiring: true }),
      expect.objectContaining({ retiring: true }),
    ]);
  });
});
