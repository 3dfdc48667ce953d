import type { CommittedPosition, VitalSigns } from '@flatline/persistence';
import { installationFindings, readingsOf, type StoodReading } from './installation-findings';

const NOW = Date.parse('2026-01-01T00:00:00.000Z');

const shard = (partition: number, lagSeconds: number | null): CommittedPosition => ({
  group: 'deadline-scheduler',
  topic: 'flatline.pings.v1',
  partition,
  nextOffset: 0,
  lagSeconds,
});

describe('an installation of four shards', () => {
  const healthy: VitalSigns = {
    positions: [0, 1, 2, 3].map((partition) => shard(partition, 0.3)),
    outboxSeconds: 0,
    overdueSeconds: 0,
  };
  const found = (vitals: Partial<VitalSigns>, stood: StoodReading[] = []) =>
    installationFindings({ ...healthy, ...vitals }, { partitions: 4, stood, now: NOW });

  it('is well when all is in time', () => {
    expect(found({})).toEqual([]);
    expect(found({ outboxSeconds: 4, overdueSeconds: 30 })).toEqual([]);
  });

  it('has a watermark that stands, whether anybody reads the shard or not', () => {
    expect(found({ positions: [shard(0, 0.3), shard(1, 75), shard(2, 90), shard(3, 0.1)] })).toEqual([
      {
        condition: 'watermark_stalled',
        sentence: 'the watermark of shards 2, 1 is 90 s behind; deadlines wait for it',
        sinceAt: NOW - 90_000,
      },
    ]);
  });

  it('has a shard that nobody ever read, or whose ingests never said a word', () => {
    expect(found({ positions: [shard(0, 0.3), shard(2, null), shard(3, 0.3)] })).toEqual([
      { condition: 'watermark_stalled', sentence: 'no pulse was ever read in shards 1, 2' },
    ]);
  });

  it('is not judged by what is left of a time with more shards', () => {
    expect(found({ positions: [...healthy.positions, shard(4, 9_000)] })).toEqual([]);
  });

  it('has events that wait to be published, and messages that are due', () => {
    expect(found({ outboxSeconds: 61, overdueSeconds: 100 })).toEqual([
      {
        condition: 'outbox_stuck',
        sentence: 'the oldest event has waited 61 s to be published',
        sinceAt: NOW - 61_000,
      },
      {
        condition: 'deliveries_overdue',
        sentence: 'a message to somebody has been due for 100 s',
        sinceAt: NOW - 100_000,
      },
    ]);
  });

  it('has readers that do not advance, each told once', () => {
    const stood = readingsOf(4)
      .filter(({ group }) => group === 'notifier')
      .map((reading) => ({ ...reading, seconds: 40 + reading.partition }));
    expect(found({}, stood)).toEqual([
      {
        condition: 'consumer_stopped',
        sentence:
          'partitions 0, 1, 2 and 1 more of flatline.incidents.v1 by notifier has not been read for 43 s, though there is something to read',
        sinceAt: NOW - 43_000,
      },
    ]);
    expect(
      found(
        {},
        stood.map((each) => ({ ...each, seconds: 20 })),
      ),
    ).toEqual([]);
  });

  it('is read by the scheduler, which takes definitions, and the notifier, which takes incidents', () => {
    expect(readingsOf(1).map(({ group, topic }) => `${group} ${topic}`)).toEqual([
      'deadline-scheduler flatline.heartbeats.v1',
      'notifier flatline.incidents.v1',
    ]);
  });
});
