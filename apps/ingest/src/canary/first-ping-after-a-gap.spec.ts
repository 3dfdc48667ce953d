import { applyPulse, emptyProgress, presumedAbsences } from '@flatline/domain';
import { eventually, FakeClock } from '@flatline/test-kit';
import { LEASE_MS, openTestAppender, pulsesIn, ScriptedProducer, signal } from '../test-appender';
import { Reachability } from './reachability';

describe('the first ping after calls through the public address failed', () => {
  /**
   * Guarded by the call of `noteCame` in `PingAppender.accept`, and by the order of records in `AppendLane.append`.
   */
  it('comes behind a pulse that tells of the gap, so that nobody judges it without knowing', async () => {
    const clock = new FakeClock();
    const producer = new ScriptedProducer(clock);
    const reachability = new Reachability(clock, LEASE_MS);
    const appender = openTestAppender(clock, producer, {
      reach: () => reachability.look(),
      noteCame: () => reachability.noteCame(),
    });
    reachability.noteReached(reachability.moment());
    appender.start();
    await eventually(() => expect(appender.acceptingPartitions).toBe(2));
    const cutAt = clock.now();

    reachability.noteMissed();
    clock.advance(200); // less than what looks like a stall
    const before = producer.appended.length;
    await appender.accept(signal);
    await appender.stop();

    const all = producer.appended.flatMap((records, index) => pulsesIn(records).map((pulse) => ({ ...pulse, index })));
    const withPing = producer.appended.findIndex((records) => records.length > pulsesIn(records).length);
    expect(withPing).toBeGreaterThanOrEqual(before);
    expect(pulsesIn(producer.appended[withPing]!.slice(0, 2))).toHaveLength(2);
    const gap = { startedAt: cutAt, endedAt: cutAt + 200 };

    // Another ingest has not been heard of since, so nothing is certain; what is known is presumed.
    const other = { ...all[0]!, ingestId: 'other', lowWatermark: cutAt, acceptingSince: cutAt - 60_000 };
    let progress = applyPulse(emptyProgress, other, clock.now(), LEASE_MS).progress;
    for (const pulse of all.filter(({ partition, index }) => partition === 0 && index <= withPing)) {
      progress = applyPulse(progress, pulse, clock.now(), LEASE_MS).progress;
    }
    expect(progress.watermark).toBe(cutAt);
    expect(presumedAbsences(progress)).toEqual([gap]);
  });
});
