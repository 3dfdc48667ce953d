/**
 * Compares the client libraries of KAFKA_CLIENT below the same event log: appends with one request in flight, then reading
 * what was appended. Starts a Kafka of its own. The libraries take turns, so that a busy machine slows both; trust the
 * ratios. The figures of docs/adr/0012 come from here.
 *
 * Usage: node tools/bench/kafka-clients.mjs
 * Out:   one line per library and size of append: records/s, ms per append (median, 99th of a hundred), CPU time of this
 *        process per record in microseconds
 */
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as os from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from '../build.mjs';

const CLIENTS = ['kafkajs', 'platformatic'];
const PARTITIONS = 32;
const TURNS = 5;
/** Records per append, and appends per turn. */
const SIZES = [
  [1, 600],
  [50, 300],
  [500, 100],
];
const VALUE = Buffer.alloc(300, 'x');
const HEADERS = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const require = createRequire(import.meta.url);
const quiet = { info: () => undefined, warn: () => undefined, error: console.error };

const recordsOf = (count) =>
  Array.from({ length: count }, (_, index) => ({
    partition: index % PARTITIONS,
    key: '0192f3c1-7b4e-7c3a-9e2b-000000000001',
    value: VALUE,
    headers: HEADERS,
  }));

/** Wall time and CPU time of this process, both in ms. */
async function timed(work) {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await work();
  const ms = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1_000 };
}

async function appendTurn({ producer, topic }, size, appends) {
  const waits = [];
  const spent = await timed(async () => {
    for (let append = 0; append < appends; append++) {
      const records = recordsOf(size);
      const startedAt = performance.now();
      await producer.append(topic, records);
      waits.push(performance.now() - startedAt);
    }
  });
  return { ...spent, records: size * appends, waits };
}

async function readTurn({ log, topic }, group) {
  const ends = await Promise.all(
    Array.from({ length: PARTITIONS }, async (_, partition) => (await log.bounds(topic, partition)).end),
  );
  const records = ends.reduce((sum, end) => sum + end, 0);
  let seen = 0;
  const spent = await timed(async () => {
    let subscription;
    await new Promise((resolve, reject) => {
      const handler = {
        position: async () => 0,
        handle: async (_partition, batch) => {
          seen += batch.length;
          if (seen >= records) resolve();
        },
      };
      log.consume({ topic, group, maxRecords: 1_000, handler }).then((opened) => (subscription = opened), reject);
    });
    await subscription.close();
  });
  return { ...spent, records, waits: [] };
}

function report(client, what, turns) {
  const sum = (of) => turns.reduce((total, turn) => total + of(turn), 0);
  const records = sum((turn) => turn.records);
  const waits = turns.flatMap((turn) => turn.waits).sort((a, b) => a - b);
  const at = (share) => (waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? NaN).toFixed(2);
  const perSecond = Math.round((records / sum((turn) => turn.ms)) * 1_000);
  const cpu = ((sum((turn) => turn.cpuMs) / records) * 1_000).toFixed(1);
  const times = waits.length > 0 ? `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms` : '';
  console.log(
    `${what.padEnd(12)} ${client.padEnd(13)} ${String(perSecond).padStart(8)}/s  ${cpu.padStart(6)} µs CPU  ${times}`,
  );
}

async function takeTurns(what, sides, turn) {
  const results = new Map(CLIENTS.map((client) => [client, []]));
  for (const side of sides) await turn(side, -1); // warm
  for (let round = 0; round < TURNS; round++) {
    for (const side of sides) results.get(side.client).push(await turn(side, round));
  }
  for (const [client, turns] of results) report(client, what, turns);
}

await build({ quiet: true });
const { startKafka } = require(path.join(root, 'dist/libs/local-servers/src/index.js'));
const { openKafkaEventLog } = require(path.join(root, 'dist/libs/event-log/src/kafka/kafka-event-log.js'));
const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'flatline-bench-kafka-'));
const kafka = await startKafka({ dataDir, tuning: 'throughput', onLog: console.log });
const sides = [];
try {
  for (const client of CLIENTS) {
    const log = await openKafkaEventLog({ client, brokers: kafka.brokers, replicationFactor: 1, logger: quiet });
    const topic = `bench.${client}`;
    await log.ensureTopics([{ name: topic, partitions: PARTITIONS, retentionMs: 3_600_000 }]);
    sides.push({ client, log, topic, producer: await log.producer() });
  }
  for (const [size, appends] of SIZES) {
    await takeTurns(`append ${size}`, sides, (side) => appendTurn(side, size, appends));
  }
  await takeTurns('read', sides, (side, round) => readTurn(side, `bench-${round}`));
} finally {
  for (const { log } of sides) await log.close();
  await kafka.stop();
  fs.rmSync(dataDir, { recursive: true, force: true });
}
