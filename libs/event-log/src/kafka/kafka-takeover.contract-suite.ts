import { eventually, startTestKafka, startTestProcess } from '@flatline/test-kit';
import type { TestKafka, TestProcess } from '@flatline/test-kit';
import type { EventLog } from '../event-log';
import { RecordingHandler, texts } from '../test-handler';
import type { KafkaClientName } from './kafka-clients';
import { openKafkaEventLog } from './kafka-event-log';

const TOPIC = 'test.takeover';
const GROUP = 'readers';
const PARTITIONS = 4;
/** The session of 8 s and the heartbeat before it, and time for a busy machine. */
const TAKEN_OVER_WITHIN_MS = 14_000;

/** Another process in the group, from the same sources. It handles nothing, and says what it was given. */
const MEMBER = `
  const { readFileSync } = require('node:fs');
  const { transformSync } = require('@swc/core');
  require.extensions['.ts'] = (module, filename) => {
    const options = { filename, module: { type: 'commonjs' }, jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } };
    module._compile(transformSync(readFileSync(filename, 'utf8'), options).code, filename);
  };
  const [source, client, ...brokers] = process.argv.slice(1);
  const say = (fields, message) => console.log(message, JSON.stringify(fields.partitions ?? []));
  const logger = { info: say, warn: say, error: say };
  const handler = { position: async () => 0, handle: () => new Promise(() => undefined) };
  require(source)
    .openKafkaEventLog({ client, brokers, replicationFactor: 1, logger })
    .then((log) => log.consume({ topic: '${TOPIC}', group: '${GROUP}', maxRecords: 10, handler }));
`;

/** A member that is killed cannot leave its group. Every client library is put through it; see ADR 0011. */
export function describeTakeover(client: KafkaClientName): void {
  describe(`a group on Kafka, through ${client}`, () => {
    let kafka: TestKafka;
    let log: EventLog;
    let member: TestProcess | undefined;
    const warnings: unknown[] = [];

    beforeAll(async () => {
      kafka = await startTestKafka();
      const note = (...line: unknown[]): void => void warnings.push(line);
      const logger = { info: () => undefined, warn: note, error: note };
      log = await openKafkaEventLog({ client, brokers: kafka.brokers, replicationFactor: 1, logger });
      await log.ensureTopics([{ name: TOPIC, partitions: PARTITIONS, retentionMs: 3_600_000 }]);
    });
    afterAll(async () => {
      await member?.stop('SIGKILL');
      await log?.close();
      await kafka?.stop();
    });

    it('of a fresh broker is joined without a warning, and takes over from a member that is killed with batches in hand', async () => {
      const handler = new RecordingHandler();
      const subscription = await log.consume({ topic: TOPIC, group: GROUP, maxRecords: 10, handler });
      const ours = () => subscription.progress().length;
      await eventually(() => expect(ours()).toBe(PARTITIONS), { withinMs: 20_000 });
      expect(warnings).toEqual([]);

      const source = require.resolve('./kafka-event-log');
      member = startTestProcess({ args: ['-e', MEMBER, source, client, ...kafka.brokers], cwd: process.cwd() });
      await member.line(/^partitions assigned \[\d,\d\]/, { withinMs: 30_000 });
      await eventually(() => expect(ours()).toBe(PARTITIONS / 2), { withinMs: 15_000 });
      const all = Array.from({ length: PARTITIONS }, (_, partition) => `in ${partition}`);
      const producer = await log.producer();
      await producer.append(
        TOPIC,
        all.map((text, partition) => ({ partition, key: text, value: Buffer.from(text) })),
      );
      await eventually(() => expect(handler.seen).toHaveLength(PARTITIONS / 2), { withinMs: 10_000 });

      await member.stop('SIGKILL');
      await eventually(() => expect(texts(handler.seen).sort()).toEqual(all), { withinMs: TAKEN_OVER_WITHIN_MS });
      expect(ours()).toBe(PARTITIONS);
    });
  });
}
