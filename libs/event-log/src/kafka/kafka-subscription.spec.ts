import { setImmediate as turn } from 'node:timers/promises';
import type { LogRecord, PartitionHandler } from '../event-log';
import { BrokerRefusal, KafkaErrorCode } from './kafka-client';
import type { KafkaClient, KafkaReaderListener } from './kafka-client';
import { KafkaSubscription } from './kafka-subscription';

const END = 2;
const records: LogRecord[] = [0, 1].map((offset) => ({
  topic: 'pings',
  partition: 0,
  offset,
  key: 'k',
  value: Buffer.from('v'),
  headers: {},
  appendedAt: 0,
}));

/** A subscription to one partition of two records, with a clock that is set by hand. */
function subscribe(handle: PartitionHandler['handle']) {
  let nowMs = 0;
  let listener: KafkaReaderListener | undefined;
  const lines: string[] = [];
  const reader = {
    read: () => listener?.records(0, records),
    pause: () => undefined,
    commit: async () => undefined,
    close: async () => undefined,
  };
  const client = {
    openReader: (_options: unknown, told: KafkaReaderListener) => {
      listener = told;
      return reader;
    },
  };
  const logger = {
    info: (_fields: unknown, message: string) => void lines.push(`info: ${message}`),
    warn: (_fields: unknown, message: string) => void lines.push(`warn: ${message}`),
    error: (_fields: unknown, message: string) => void lines.push(`error: ${message}`),
  };
  let position = 0;
  const handler: PartitionHandler = {
    position: async () => position,
    handle: async (partition, batch) => {
      await handle(partition, batch);
      position = END;
    },
  };
  const subscription = new KafkaSubscription(
    { topic: 'pings', group: 'readers', maxRecords: 10, handler },
    {
      client: client as unknown as KafkaClient,
      logger,
      monotonic: () => nowMs,
      bounds: async () => [{ start: 0, end: END }],
      closed: () => undefined,
    },
  );
  return {
    subscription,
    lines,
    listener: () => listener as KafkaReaderListener,
    pass: (ms: number) => (nowMs += ms),
    audit: () => subscription.audit([{ start: 0, end: END }]),
  };
}

describe('a member of a group on Kafka', () => {
  it('says that a partition is stuck when its batch does not end for a minute, and not before', async () => {
    let release: (() => void) | null = null;
    const member = subscribe(() => new Promise<void>((resolve) => (release = resolve)));
    member.listener().assigned([0]);
    while (!release) await turn();
    await expect(member.audit()).resolves.toBeNull();
    member.pass(60_000);
    await expect(member.audit()).resolves.toBeNull();
    member.pass(1);
    await expect(member.audit()).resolves.toBe('pings, partition 0, has stood at 0 of 2 for a minute');
    (release as () => void)();
    await member.subscription.close();
  });

  it('says nothing of a partition whose records are all handled, however long nothing happens', async () => {
    const idle = subscribe(async () => undefined);
    idle.listener().assigned([0]);
    while (idle.subscription.progress()[0]?.position !== END) await turn();
    for (let round = 0; round < 3; round++) {
      await expect(idle.audit()).resolves.toBeNull();
      idle.pass(120_000);
    }
    await idle.subscription.close();
  });

  it.each([
    ['loads', KafkaErrorCode.COORDINATOR_LOAD_IN_PROGRESS],
    ['is not there yet', KafkaErrorCode.COORDINATOR_NOT_AVAILABLE],
    ['has moved', KafkaErrorCode.NOT_COORDINATOR],
    ['balances the group', KafkaErrorCode.REBALANCE_IN_PROGRESS],
  ])('does not warn while the coordinator %s, unless that lasts', async (_what, code) => {
    const outside = subscribe(async () => undefined);
    outside.listener().ended(new BrokerRefusal(code, 'not now'));
    expect(outside.lines).toEqual(['info: the group is not ready yet']);
    outside.pass(15_001);
    outside.listener().ended(new BrokerRefusal(code, 'not now'));
    expect(outside.lines.at(-1)).toBe('warn: reading from Kafka ended; it begins anew');
    expect(outside.subscription.troubles()).toEqual([
      { kind: 'stopped', sentence: 'group readers has not let this process read pings for 15 s: not now' },
    ]);
    await outside.subscription.close();
  });

  it('warns at once of an end that is not usual', async () => {
    const broken = subscribe(async () => undefined);
    broken.listener().ended(new Error('read ECONNRESET'));
    expect(broken.lines).toEqual(['warn: reading from Kafka ended; it begins anew']);
    await broken.subscription.close();
  });
});
