import { AppendRejected } from '@flatline/event-log';
import { ClockSkew } from '@flatline/service-kernel';
import { eventually, FakeClock } from '@flatline/test-kit';
import { UNCHECKED } from './canary/reachability';
import { IngestClock } from './ingest-clock';
import { PartitionStanding } from './partition-standing';
import type { PingAppender } from './ping-appender';
import { LEASE_MS, openTestAppender, pulsesIn, ScriptedProducer, signal } from './test-appender';

const HOUR = 3_600_000;

jest.setTimeout(30_000);

describe('the ingest and its clocks', () => {
  let clock: FakeClock;
  let producer: ScriptedProducer;
  let appender: PingAppender;
  let stuck: string[];

  beforeEach(() => {
    clock = new FakeClock();
    producer = new ScriptedProducer(clock);
    stuck = [];
    appender = openTestAppender(clock, producer, {
      skew: new ClockSkew(1_000),
      onStuck: (reason) => stuck.push(reason),
    });
  });
  afterEach(async () => {
    producer.automatic = true;
    producer.release();
    await appender.stop();
  });

  const untilAccepting = (): Promise<void> =>
    eventually(() => expect(appender.acceptingPartitions).toBe(2), { withinMs: 3_000, everyMs: 5 });
  async function accepting(): Promise<void> {
    appender.start();
    await untilAccepting();
  }
  const lastPing = () => producer.pings().at(-1);
  const lastPulse = () => producer.pulses().at(-1);

  describe('that stood still', () => {
    it('says of a ping it reads then that it came after the last instant at which everything had been read', async () => {
      // Guarded by `PartitionStanding.date` and `IngestClock.arrivedAfter`.
      await accepting();
      const readUpTo = clock.now();
      clock.advance(700);
      expect(await appender.accept(signal)).not.toBeNull();
      expect(lastPing()).toMatchObject({ receivedAt: readUpTo + 700, arrivedAfter: readUpTo });
    });

    it('claims nothing beyond that instant before such a ping is stored', async () => {
      // Guarded by `earliestAt` in `AppendLane.takePulses`.
      await accepting();
      const readUpTo = clock.now();
      clock.advance(700);
      producer.automatic = false;
      const answer = appender.accept(signal);
      const claimed = await eventually(
        async () => {
          const append = await producer.next();
          append.settle(new AppendRejected('busy'));
          const pulses = pulsesIn(append.records);
          if (pulses.length === 0) throw new Error('no pulse yet');
          return pulses.find(({ partition }) => partition === 0)?.lowWatermark;
        },
        { withinMs: 3_000, everyMs: 1 },
      );
      expect(claimed).toBe(readUpTo);
      producer.automatic = true;
      producer.release();
      await answer;
      await eventually(() => expect(lastPulse()?.lowWatermark).toBe(clock.now()), { withinMs: 2_000 });
    });

    it('takes a ping for one that has just come when it was not late, and again once it has caught up', async () => {
      await accepting();
      clock.advance(300);
      await appender.accept(signal);
      expect(lastPing()).not.toHaveProperty('arrivedAfter');
      clock.advance(700);
      await eventually(
        async () => {
          await appender.accept(signal);
          expect(lastPing()).not.toHaveProperty('arrivedAfter');
        },
        { withinMs: 2_000 },
      );
    });
  });

  describe('that were set', () => {
    it('refuses pings from then on until a pulse by the new clock is stored, and begins a new accepting spell', async () => {
      // Guarded by `PartitionStanding.noteStep`.
      await accepting();
      producer.automatic = false;
      clock.step(HOUR);
      expect(await appender.accept(signal)).toBeNull();
      expect(appender.acceptingPartitions).toBe(0);
      producer.automatic = true;
      producer.release();
      await untilAccepting();
      await appender.accept(signal);
      expect(lastPing()?.receivedAt).toBe(clock.now());
      await eventually(() => expect(lastPulse()).toMatchObject({ acceptingSince: clock.now() + 1, retiring: false }));
    });

    it('is not let in again by a pulse that was on its way when the clock was set', async () => {
      // Guarded by the comparison with `steppedAt` in `PartitionStanding.noteStored`.
      await accepting();
      producer.automatic = false;
      const onItsWay = await producer.next();
      clock.advance(5);
      clock.step(HOUR);
      expect(await appender.accept(signal)).toBeNull();
      onItsWay.settle();
      const byTheNewClock = await producer.next();
      expect(appender.acceptingPartitions).toBe(0);
      byTheNewClock.settle();
      await untilAccepting();
    });

    it('dates pings by the right clock at once after an hour back, where the clock of the log went back as well', async () => {
      // Guarded by `PartitionStanding.noteStored`, which follows the append time after a step.
      await accepting();
      clock.step(-HOUR);
      expect(await appender.accept(signal)).toBeNull();
      await untilAccepting();
      await appender.accept(signal);
      expect(lastPing()?.receivedAt).toBe(clock.now());
      const backAt = clock.now();
      clock.advance(1_000);
      await eventually(() =>
        expect(lastPulse()).toMatchObject({ lowWatermark: clock.now(), acceptingSince: backAt + 1 }),
      );
    });

    it('dates pings by the right clock also where the clock of the log goes back later than ours', async () => {
      // Guarded by `PartitionStanding.noteStored`, which follows the append time of every pulse.
      await accepting();
      clock.step(-HOUR);
      producer.logAheadMs = HOUR;
      await eventually(() => expect(lastPulse()).toMatchObject({ retiring: true }), { withinMs: 3_000 });
      producer.logAheadMs = 0;
      await untilAccepting();
      await appender.accept(signal);
      expect(lastPing()?.receivedAt).toBe(clock.now());
      clock.advance(300);
      await eventually(() => expect(lastPulse()).toMatchObject({ lowWatermark: clock.now(), retiring: false }));
      expect(lastPulse()?.acceptingSince).toBeLessThan(clock.now());
    });

    it('dates nothing before what a pulse has claimed, where the clock of the log did not go back', async () => {
      // Guarded by `PartitionStanding.instant`.
      await accepting();
      const claimed = clock.now();
      clock.step(-900);
      producer.logAheadMs = 900;
      await eventually(async () => expect(await appender.accept(signal)).not.toBeNull(), { withinMs: 3_000 });
      expect(lastPing()?.receivedAt).toBe(claimed);
      clock.advance(901);
      await appender.accept(signal);
      expect(lastPing()?.receivedAt).toBe(claimed + 1);
    });

    it('takes no notice of a slow correction', async () => {
      await accepting();
      for (let count = 0; count < 10; count += 1) {
        clock.step(-400);
        expect(await appender.accept(signal)).not.toBeNull();
      }
    });
  });

  describe('that is further from the clock of the log than it may be', () => {
    it('refuses pings and says by how much, and takes itself out so that nobody waits for it', async () => {
      // Guarded by `clockIsWrong` in `PartitionStanding.mayAccept` and `claim`.
      await accepting();
      const claimed = clock.now();
      producer.logAheadMs = 90_000;
      await appender.accept(signal); // its append tells
      expect(appender.acceptingPartitions).toBe(0);
      expect(await appender.accept(signal)).toBeNull();
      expect(appender.missing()).toBe(
        'pings are not accepted: the clock of this process is 90.0 s behind that of the event log, more than ' +
          'MAX_CLOCK_SKEW_MS (1000); set the one that is wrong',
      );
      clock.advance(1_000);
      await eventually(() => expect(lastPulse()).toMatchObject({ retiring: true, lowWatermark: claimed }));
    });

    it('accepts again when the clock is right, after a pulse that does not take it out, and in a new spell', async () => {
      // Guarded by `isRetired` in `PartitionStanding.noteStored`.
      producer.logAheadMs = -90_000;
      appender.start();
      await eventually(() => expect(lastPulse()).toMatchObject({ retiring: true }), { withinMs: 3_000 });
      expect(await appender.accept(signal)).toBeNull();
      clock.advance(1_000);
      producer.automatic = false;
      producer.logAheadMs = 0;
      const retiring = await producer.next();
      retiring.settle();
      const joining = await producer.next();
      expect(appender.acceptingPartitions).toBe(0);
      producer.automatic = true;
      joining.settle();
      await untilAccepting();
      expect(lastPulse()).toMatchObject({ retiring: false, acceptingSince: clock.now() + 1 });
    });
  });

  describe('with an append that never ends', () => {
    it('answers its pings, is fenced by its own lease, and ends the process instead of standing for ever', async () => {
      // Guarded by `PingAppender.endIfStuck`.
      await accepting();
      producer.automatic = false;
      const answer = appender.accept(signal);
      await producer.next();
      clock.advance(4_600);
      expect(await answer).toBeNull();
      clock.advance(LEASE_MS / 2);
      expect(await appender.accept(signal)).toBeNull();
      expect(appender.missing()).toContain('the event log has acknowledged no pulse lately');
      // It stood still, as far as it can tell: what takes so long may end yet.
      expect(stuck).toEqual([]);
      await eventually(
        () => {
          clock.advance(300);
          expect(stuck).toHaveLength(1);
        },
        { withinMs: 20_000, everyMs: 100 },
      );
      expect(stuck).toEqual([expect.stringMatching(/^an append to the event log has not ended for \d+ s$/)]);
      await appender.stop();
    });
  });
});

describe('the clock of the ingest', () => {
  it('lets a pulse claim nothing beyond the last reading until what came during a stall has been read', async () => {
    // Guarded by `arrivedAfter` in `PartitionStanding.claim`.
    const clock = new FakeClock();
    const stalls: number[] = [];
    const ours = new IngestClock(clock, { stepped: () => {}, stalled: (lateMs) => stalls.push(lateMs) });
    const monotonic = (): number => clock.monotonic();
    const standing = new PartitionStanding({
      clock: ours,
      monotonic,
      leaseMs: LEASE_MS,
      clockIsWrong: () => false,
      reach: () => UNCHECKED,
    });
    ours.start();
    const readUpTo = clock.now();
    try {
      clock.advance(700);
      expect(standing.claim(null, false).lowWatermark).toBe(readUpTo);
      await eventually(() => expect(standing.claim(null, false).lowWatermark).toBe(readUpTo + 700));
      expect(stalls).toEqual([600]);
    } finally {
      ours.stop();
    }
  });

  it('begins no accepting spell in the future, where the public address was proven by a clock that was ahead', () => {
    // Guarded by `reachedUpTo` in PartitionStanding.
    const clock = new FakeClock();
    const standing = new PartitionStanding({
      clock: new IngestClock(clock, { stepped: () => {}, stalled: () => {} }),
      monotonic: () => clock.monotonic(),
      leaseMs: LEASE_MS,
      clockIsWrong: () => false,
      reach: () => ({ kind: 'proven', upTo: clock.now(), since: clock.now() + HOUR }),
    });
    expect(standing.claim(null, false).acceptingSince).toBe(clock.now() + 1);
  });
});
