import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';

import { Kafka as Client, logLevel, type KafkaConfig } from 'kafkajs';

import { defaultCacheDirectory, type Kafka, type KafkaOptions, OtherCluster, provideKafka, startKafka } from '../index';
import { KafkaCluster } from './kafka-cluster';

const TOPIC = 'flatline.test';

const clientOf = (brokers: string[], more: Partial<KafkaConfig> = {}): Client =>
  new Client({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 20, maxRetryTime: 1000 }, ...more });

async function createTopic(client: Client, replicationFactor: number): Promise<void> {
  const admin = client.admin();
  await admin.connect();
  const topics = [{ topic: TOPIC, numPartitions: 1, replicationFactor }];
  await admin.createTopics({ topics, waitForLeaders: true });
  await admin.disconnect();
}

async function send(client: Client, value: string): Promise<void> {
  const producer = client.producer();
  await producer.connect();
  await producer.send({ topic: TOPIC, acks: -1, messages: [{ value }] });
  await producer.disconnect();
}

async function endOf(client: Client): Promise<string | undefined> {
  const admin = client.admin();
  await admin.connect();
  try {
    return (await admin.fetchTopicOffsets(TOPIC))[0]?.high;
  } finally {
    await admin.disconnect();
  }
}

async function leaderOf(client: Client): Promise<number | undefined> {
  const admin = client.admin();
  await admin.connect();
  try {
    return (await admin.fetchTopicMetadata({ topics: [TOPIC] })).topics[0]?.partitions[0]?.leader;
  } finally {
    await admin.disconnect();
  }
}

describe('a local Kafka', () => {
  let folder: string;
  const running: Kafka[] = [];

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(tmpdir(), 'flatline-local-kafka-'));
  });

  afterAll(async () => {
    await Promise.all(running.map((kafka) => kafka.kill()));
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const start = async (name: string, options: Partial<KafkaOptions> = {}): Promise<Kafka> => {
    const kafka = await startKafka({ dataDir: path.join(folder, name), ...options });
    running.push(kafka);
    return kafka;
  };

  it('keeps what it acknowledged when it is killed, and ends a broker that an earlier start left behind', async () => {
    const first = await start('one');
    await createTopic(clientOf(first.brokers), 1);
    await send(clientOf(first.brokers), 'one');
    await first.kill();
    await expect(first.nodes[0]?.ended).resolves.toEqual({ code: null, signal: 'SIGKILL' });
    await first.nodes[0]?.start();
    expect(await endOf(clientOf(first.brokers))).toBe('1');

    // As after a starter that was killed: a broker runs on these data, and nobody holds it.
    const second = await start('one');
    await expect(first.nodes[0]?.ended).resolves.toEqual({ code: 143, signal: null });
    expect(await endOf(clientOf(second.brokers))).toBe('1');
  });

  it('does not take the data of one cluster for those of another', async () => {
    const dataDir = path.join(folder, 'other');
    fs.mkdirSync(dataDir);
    const runtime = await provideKafka(defaultCacheDirectory(), () => undefined);
    await KafkaCluster.open(dataDir, { nodes: 1, security: 'none' }, runtime);
    await expect(start('other', { nodes: 3 })).rejects.toThrow(OtherCluster);
    await expect(start('other', { security: 'sasl-tls' })).rejects.toThrow(OtherCluster);
  });

  it('goes on under another leader when a leader of three nodes is killed, and takes it back in', async () => {
    const kafka = await start('three', { nodes: 3 });
    const client = clientOf(kafka.brokers);
    await createTopic(client, 3);
    await send(client, 'before');
    const leader = (await leaderOf(client)) ?? 0;
    await kafka.nodes[leader - 1]?.kill();
    await send(client, 'after'); // tries until there is a leader
    expect([-1, leader]).not.toContain(await leaderOf(client));
    expect(await endOf(client)).toBe('2');
    await kafka.nodes[leader - 1]?.start();
    expect(kafka.nodes.map(({ isRunning }) => isRunning)).toEqual([true, true, true]);
    await kafka.kill();
  });

  it('lets in who trusts its certificate and knows the password, by every mechanism', async () => {
    const { brokers, security } = await start('secured', { security: 'sasl-tls' });
    const { caFile = '', username = '', password = '' } = security ?? {};
    const connect = async (mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', word: string, ca?: string) => {
      const sasl = { mechanism, username, password: word } as KafkaConfig['sasl'];
      const admin = clientOf(brokers, { ssl: ca ? { ca: [ca] } : true, sasl, retry: { retries: 0 } }).admin();
      try {
        await admin.connect();
        return (await admin.describeCluster()).brokers.length;
      } finally {
        await admin.disconnect();
      }
    };
    const ca = fs.readFileSync(caFile, 'utf8');
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      expect(await connect(mechanism, password, ca)).toBe(1);
      await expect(connect(mechanism, 'wrong', ca)).rejects.toThrow(/[Aa]uthentication/);
    }
    await expect(connect('plain', password)).rejects.toThrow(/self-signed certificate/);
  });
});
