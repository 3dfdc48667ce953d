import { TOPICS } from '@flatline/events';
import { loadConfig } from '@flatline/service-kernel';
import { topicsOf } from './topics-of';

const HOUR_MS = 3_600_000;

describe('the topics of an installation', () => {
  it('are kept by Kafka for as long as its readers may be away, and never shorter than the catalogue says', () => {
    const kept = (hours: string): number[] => {
      const config = loadConfig({ KAFKA_BROKERS: 'kafka:9092', KAFKA_RETENTION_HOURS: hours });
      return topicsOf(config, 8).map((topic) => topic.retentionMs / HOUR_MS);
    };
    expect(kept('72')).toEqual(TOPICS.map(() => 72));
    expect(kept('1')).toEqual(TOPICS.map((topic) => topic.retentionMs / HOUR_MS));
  });

  it('go from the log in Postgres when they are read and as old as the catalogue says', () => {
    expect(topicsOf(loadConfig({}), 4)).toEqual(
      TOPICS.map(({ name, retentionMs }) => ({ name, retentionMs, partitions: 4 })),
    );
  });
});
