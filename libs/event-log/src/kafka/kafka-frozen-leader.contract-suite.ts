import { eventually, startTestKafka, untilStopped } from '@flatline/test-kit';
import type { TestKafka } from '@flatline/test-kit';
import { Kafka, logLevel } from 'kafkajs';
import { AppendUnresolved } from '../errors';
import type { EventLog, LogProducer } from '../event-log';
import { RecordingHandler, texts } from '../test-handler';
import type { KafkaClientName } from './kafka-clients';
import { openKafkaEventLog } from './kafka-event-log';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const TOPIC = 'test.leaders';
const PARTITIONS = 6;
const LIMIT_MS = 4_000;

/** What every partition was told, as "text in partition". */
class PartitionFates {
  readonly acknowledged: string[] = [];

  /** One record for each of these partitions; resolves with how it failed, or null. */
  async append(producer: LogProducer, partitions: readonly number[], text: string): Promise<AppendUnresolved | null> {
    const keyOf = (partition: number) => `${text} in ${partition}`;
    const records = partitions.map((partition) => ({ partition, key: text, value: Buffer.from(keyOf(partition)) }));
    let error: AppendUnresolved | null = null;
    try {
      await producer.append(TOPIC, records);
    } catch (failure) {
      error = failure as AppendUnresolved;
    }
    const failed = error === null ? [] : (error.partitions ?? partitions);
    this.acknowledged.push(...partitions.filter((partition) => !failed.includes(partition)).map(keyOf));
    return error;
  }
}

/** Partitions whose leaders are different brokers fail one by one. Every client library is put through it; see ADR 0011. */
export function describeFrozenLeader(client: KafkaClientName): void {
  describe(`three Kafka brokers, through ${client}`, () => {
    let kafka: TestKafka;
    let log: EventLog;

    beforeAll(async () => {
      kafka = await startTestKafka({ nodes: 3 });
      // One replica each: followers would let the leaders that answer wait for the frozen one until it is out of office.
      log = await openKafkaEventLog({ client, brokers: kafka.brokers, replicationFactor: 1, logger: quiet });
      await log.ensureTopics([{ name: TOPIC, partitions: PARTITIONS, retentionMs: 3_600_000 }]);
    });
    afterAll(async () => {
      await log?.close();
      await kafka?.stop();
    });

    /** Partitions by whether the broker leads them that leads partition 0. */
    async function split(): Promise<{ frozen: number; ofFrozen: number[]; ofOthers: number[] }> {
      const admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      const { topics } = await admin.fetchTopicMetadata({ topics: [TOPIC] });
      await admin.disconnect();
      const partitions = topics[0]!.partitions.sort((a, b) => a.partitionId - b.partitionId);
      const frozen = partitions[0]!.leader;
      const led = (wanted: boolean) =>
        partitions.filter(({ leader }) => (leader === frozen) === wanted).map(({ partitionId }) => partitionId);
      return { frozen, ofFrozen: led(true), ofOthers: led(false) };
    }

    it('take appends to the partitions of others while one is frozen, whose partitions alone are named', async () => {
      const { frozen, ofFrozen, ofOthers } = await split();
      const everywhere = [...ofFrozen, ...ofOthers];
      const [producer, apart] = await Promise.all([log.producer(), log.producer()]);
      const fates = new PartitionFates();
      for (const each of [producer, apart]) await expect(fates.append(each, everywhere, 'before')).resolves.toBeNull();

      const node = kafka.nodes[frozen - 1]!; // they are numbered from 1
      node.signal('SIGSTOP');
      await untilStopped(node.pid);
      const error = await fates.append(producer, everywhere, 'frozen');
      expect(error).toBeInstanceOf(AppendUnresolved);
      expect(error).toMatchObject({ partitions: ofFrozen });
      const startedAt = performance.now();
      for (let round = 0; round < 20; round++) {
        await expect(fates.append(producer, ofOthers, `beside ${round}`)).resolves.toBeNull();
      }
      expect(performance.now() - startedAt).toBeLessThan(LIMIT_MS);
      // All of this append hangs, so there is nothing to tell apart.
      const whole = await fates.append(apart, ofFrozen, 'apart');
      expect(whole).toBeInstanceOf(AppendUnresolved);
      expect(whole!.partitions).toBeUndefined();

      node.signal('SIGCONT');
      await eventually(
        async () => {
          const failure = await fates.append(producer, everywhere, 'after');
          if (failure) throw new Error(`partitions ${failure.partitions ?? 'all'}: ${failure.message}`, failure);
        },
        { withinMs: 30_000 },
      );
      const handler = new RecordingHandler();
      await log.consume({ topic: TOPIC, group: 'all', maxRecords: 1_000, handler });
      expect(fates.acknowledged).toContain(`frozen in ${ofOthers[0]}`);
      await eventually(() => expect(texts(handler.seen)).toEqual(expect.arrayContaining(fates.acknowledged)), {
        withinMs: 20_000,
      });
    });
  });
}
