import { AppendRejected, AppendUnresolved } from '@flatline/event-log';
import { eventParser, ingestPulsed, pingReceived } from '@flatline/events';
import { shardOf } from '@flatline/domain';
import { eventually, FakeClock } from '@flatline/test-kit';
import type { StoredPing } from './held-ping';
import type { PingAppender } from './ping-appender';
import { HEARTBEAT, openTestAppender, pulsesIn, ScriptedProducer, signal } from './test-appender';

const parse = eventParser(pingReceived, ingestPulsed);

describe('the ping appender', () => {
  let producer: ScriptedProducer;
  let side: ScriptedProducer;
  let clock: FakeClock;
  let appender: PingAppender;

  beforeEach(() => {
    clock = new FakeClock();
    producer = new ScriptedProducer(clock);
    side = new ScriptedProducer(clock);
    appender = openTestAppender(clock, producer, { openSideProducer: () => Promise.resolve(side) });
  });
  afterEach(async () => {
    producer.automatic = side.automatic = true;
    producer.release();
    side.release();
    await appender.stop();
  });

  async function accepting(): Promise<void> {
    appender.start();
    await eventually(() => expect(appender.acceptingPartitions).toBe(2), { withinMs: 2_000, everyMs: 5 });
  }

  it('accepts nothing before its first pulse is acknowledged, so that consumers know it before its first ping', async () => {
    producer.automatic = false;
    appender.start();
    expect(await appender.accept(signal)).toBeNull();
    (await producer.next()).settle();
    await eventually(() => expect(appender.acceptingPartitions).toBe(2), { withinMs: 2_000, everyMs: 5 });
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

  it('sends the trace of a ping along, and no header with one that is not traced', async () => {
    await accepting();
    await appender.accept(signal);
    await appender.accept({ ...signal, traceparent: 'the trace' });
    const pings = producer.appended.flat().filter((record) => record.key === HEARTBEAT);
    expect(pings.map(({ headers }) => headers)).toEqual([undefined, { traceparent: 'the trace' }]);
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

  it('turns pings away when the log takes nothing for the time an answer may take', async () => {
    await accepting();
    producer.automatic = false;
    const answer = appender.accept(signal);
    const append = await producer.next();
    clock.advance(4_600);
    append.settle(new AppendRejected('down'));
    expect(await answer).toBeNull();
  });

  /** Guarded by `logWasAway` in apps/ingest/src/partition-standing.ts. */
  it('vouches for no time in which the log took nothing for a while, though it had no ping to turn away', async () => {
    await accepting();
    producer.automatic = false;
    const pulse = await producer.next();
    clock.advance(2_500);
    const backAt = clock.now();
    pulse.settle(new AppendRejected('down'));
    producer.automatic = true;
    await eventually(
      () => {
        for (const { acceptingSince } of producer.pulses().slice(-2)) expect(acceptingSince).toBe(backAt);
      },
      { withinMs: 3_000 },
    );
  });

  /** Guarded by `noteHealth` in apps/ingest/src/append-lane.ts. */
  it('tells with each attempt since when it accepts, ahead of the pings, so that nobody judges them without knowing', async () => {
    await accepting();
    producer.automatic = false;
    const answer = appender.accept(signal);
    (await producer.next()).settle(new AppendRejected('busy'));
    const retry = await producer.next();
    expect(pulsesIn(retry.records.slice(0, 2)).map(({ partition }) => partition)).toEqual([0, 1]);
    retry.settle();
    expect(await answer).not.toBeNull();
  });

  /** Guarded by `turnAway` in apps/ingest/src/ping-appender.ts. */
  it('tells that a ping was turned away ahead of the next attempt of its job', async () => {
    await accepting();
    producer.automatic = false;
    const answer = appender.accept(signal);
    const append = await producer.next();
    clock.advance(4_600);
    expect(await answer).toBeNull();
    append.settle();
    const again = appender.accept(signal);
    const next = await producer.next();
    expect(pulsesIn(next.records.slice(0, 2))).toHaveLength(2);
    next.settle();
    await again;
  });

  it('is fenced when half a lease has passed since a pulse got through, and says so with the next one', async () => {
    await accepting();
    producer.automatic = false;
    clock.advance(5_001);
    expect(appender.acceptingPartitions).toBe(0);
    expect(await appender.accept(signal)).toBeNull();
    const refusedAt = clock.now();
    const pulse = await producer.next();
    clock.advance(300); // until the log answers: nobody is let in before
    pulse.settle();
    await eventually(() => expect(appender.acceptingPartitions).toBe(2), { withinMs: 2_000, everyMs: 5 });
    expect(producer.pulses().at(-1)?.acceptingSince).toBe(refusedAt + 1);
    (await producer.next()).settle();
    expect(producer.pulses().at(-1)?.acceptingSince).toBe(refusedAt + 300);
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

  it('vouches for no time in which it was stopping, however long what is under way takes', async () => {
    await accepting();
    producer.automatic = false;
    const ping = appender.accept(signal);
    const append = await producer.next();
    const stopped = appender.stop();
    clock.advance(2_000);
    append.settle();
    expect(await ping).not.toBeNull();
    (await producer.next()).settle();
    await stopped;
    const last = { retiring: true, acceptingSince: clock.now() };
    expect(producer.pulses().slice(-2)).toEqual([expect.objectContaining(last), expect.objectContaining(last)]);
  });

  describe('when the log refuses one partition alone', () => {
    const HERE = HEARTBEAT;
    const THERE = '0192d3f0-7a10-7c3e-9b1a-3f2e5d6c7b80';
    const pingTo = (heartbeatId: string): Promise<StoredPing | null> =>
      appender.accept({ ...signal, recipient: { heartbeatId, generation: 0, partition: shardOf(heartbeatId, 2) } });
    const lastPulse = (from: ScriptedProducer, partition: number) =>
      from.appended
        .flat()
        .filter((record) => record.partition === partition)
        .map((record) => parse(record.value))
        .flatMap((event) => (event.type === 'ingest.pulsed' ? [event.data] : []))
        .at(-1);

    /** Time passes, and the partition of HERE is taken all along. */
    async function goOn(ms: number): Promise<void> {
      for (let left = ms; left > 0; left -= 1_000) {
        clock.advance(Math.min(left, 1_000));
        await eventually(() => expect(lastPulse(producer, 0)?.lowWatermark).toBe(clock.now()), { withinMs: 3_000 });
      }
    }

    /** Both partitions get a ping in one append; that of THERE is not taken. */
    async function cutOff(failure: AppendRejected | AppendUnresolved) {
      await accepting();
      expect([shardOf(HERE, 2), shardOf(THERE, 2)]).toEqual([0, 1]);
      producer.automatic = side.automatic = false;
      const receivedAt = clock.now();
      const [here, there] = [pingTo(HERE), pingTo(THERE)];
      (await producer.next()).settle(failure);
      producer.automatic = true;
      return { here, there, receivedAt };
    }

    it('answers the pings of the others and tries that partition again by itself, keeping nobody waiting', async () => {
      const { here, there } = await cutOff(new AppendRejected('no leader', { partitions: [1] }));
      expect(await here).not.toBeNull();
      const retry = await side.next();
      expect(await pingTo(HERE)).not.toBeNull();
      expect(new Set(retry.records.map((record) => record.partition))).toEqual(new Set([1]));
      retry.settle();
      expect(await there).not.toBeNull();
      expect(side.events().map((event) => event.key)).toContain(THERE);
    });

    it('begins a new accepting spell there when it turned a ping away, and only there', async () => {
      const refusal = new AppendRejected('no leader', { partitions: [1] });
      const { there } = await cutOff(refusal);
      const attempt = await side.next();
      const before = lastPulse(producer, 0)!.acceptingSince;
      await goOn(4_600);
      expect(await there).toBeNull();
      attempt.settle(refusal);
      side.automatic = true;
      await eventually(() => expect(lastPulse(side, 1)?.acceptingSince).toBe(clock.now()), { withinMs: 3_000 });
      expect(lastPulse(producer, 0)?.acceptingSince).toBe(before);
      expect(clock.now()).toBeGreaterThan(before);
    });

    it('goes back to appending all together once that partition is taken again', async () => {
      const { there } = await cutOff(new AppendRejected('no leader', { partitions: [1] }));
      (await side.next()).settle();
      await there;
      expect(await pingTo(THERE)).not.toBeNull();
      expect(producer.appended.at(-1)?.map((record) => record.key)).toContain(THERE);
    });

    it('lets the low watermark of that partition stand and those of the others go on', async () => {
      const { there, receivedAt } = await cutOff(new AppendUnresolved('who knows', { partitions: [1] }));
      clock.advance(1_000);
      await eventually(() => expect(lastPulse(producer, 0)?.lowWatermark).toBe(receivedAt + 1_000), {
        withinMs: 3_000,
      });
      side.automatic = true;
      side.release();
      await there;
      const claimed = side.pulses().map((pulse) => pulse.lowWatermark);
      expect(claimed.length).toBeGreaterThan(0);
      expect(claimed[0]).toBeLessThanOrEqual(receivedAt);
    });

    it('is fenced for that partition alone after half a lease, gives up what waits for it, and appends none of it later', async () => {
      const { there } = await cutOff(new AppendUnresolved('who knows', { partitions: [1] }));
      const attempt = await side.next();
      await goOn(3_000);
      const late = pingTo(THERE);
      await goOn(2_100);
      expect(await there).toBeNull();
      attempt.settle(new AppendRejected('still no leader', { partitions: [1] }));
      side.automatic = true;
      expect(await late).toBeNull();
      await eventually(() => expect(appender.acceptingPartitions).toBe(2), { withinMs: 3_000 });
      expect(side.events().map((event) => event.type)).not.toContain('ping.received');
      expect(lastPulse(side, 1)?.acceptingSince).toBe(clock.now() + 1);
      expect(lastPulse(producer, 0)?.acceptingSince).toBeLessThan(clock.now());
    });

    it('retires where it is taken and leaves the other partition to its lease', async () => {
      await cutOff(new AppendUnresolved('who knows', { partitions: [1] }));
      const stopped = appender.stop();
      const attempt = await side.next();
      clock.advance(5_000);
      attempt.settle(new AppendUnresolved('who knows', { partitions: [1] }));
      await stopped;
      expect(lastPulse(producer, 0)).toMatchObject({ retiring: true });
      expect(lastPulse(producer, 1)).toMatchObject({ retiring: false });
      expect(side.pulses()).toEqual([]);
    });
  });
});
