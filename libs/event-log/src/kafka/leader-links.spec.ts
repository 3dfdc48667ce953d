import type { OutgoingRecord } from '../event-log';
import type { KafkaClient, KafkaSender, KafkaSenderOptions } from './kafka-client';
import { LeaderLinks } from './leader-links';

const TOPIC = 'pings';
const to = (...partitions: number[]): OutgoingRecord[] =>
  partitions.map((partition, index) => ({ partition, key: `${index}`, value: Buffer.alloc(0) }));

/** Notes what becomes of the senders it opens, as "prepared 1" for the one of leader 1. */
function recordingLinks(): { links: LeaderLinks; events: string[] } {
  const events: string[] = [];
  const openSender = ({ leader }: KafkaSenderOptions): KafkaSender => ({
    prepare: async () => void events.push(`prepared ${leader}`),
    send: async () => [],
    destroy: () => void events.push(`destroyed ${leader}`),
    close: async () => void events.push(`closed ${leader}`),
  });
  return { links: new LeaderLinks({ openSender } as unknown as KafkaClient, 4_000), events };
}

describe('the connections of a producer to the leaders of partitions', () => {
  it('share out the records of an append, and keep the order within each partition', () => {
    const { links } = recordingLinks();
    links.learn(TOPIC, [1, 2, 1]);
    const shares = links.byLeader(TOPIC, to(0, 1, 2, 0, 1));
    expect([...shares].map(([leader, records]) => [leader, records.map(({ key }) => key)])).toEqual([
      [1, ['0', '2', '3']],
      [2, ['1', '4']],
    ]);
  });

  it('are made once for each leader, and giving one up leaves the others alone', async () => {
    const { links, events } = recordingLinks();
    links.learn(TOPIC, [1, 2]);
    for (const leader of [1, 2, 1, 2]) await links.prepared(leader, TOPIC);
    links.giveUp(1);
    for (const leader of [1, 2]) await links.prepared(leader, TOPIC);
    expect(events).toEqual(['prepared 1', 'prepared 2', 'destroyed 1', 'prepared 1']);
  });

  it('doubt the leaders of what failed, until somebody says who leads it now', () => {
    const { links } = recordingLinks();
    expect(links.knows(TOPIC, to(0))).toBe(false);
    links.learn(TOPIC, [1, 2]);
    links.doubt(TOPIC, 1, to(0));
    expect(links.knows(TOPIC, to(1))).toBe(true);
    expect(links.knows(TOPIC, to(0, 1))).toBe(false);
    links.learn(TOPIC, [2, 2]);
    expect(links.knows(TOPIC, to(0, 1))).toBe(true);
  });

  it('are made anew to a leader that gets a partition, for the old one would send that to the leader before', async () => {
    const { links, events } = recordingLinks();
    links.learn(TOPIC, [1, 2, 3]);
    for (const leader of [1, 2, 3]) await links.prepared(leader, TOPIC);
    links.learn(TOPIC, [2, 2, 3]);
    for (const leader of [2, 3]) await links.prepared(leader, TOPIC);
    expect(events).toEqual(['prepared 1', 'prepared 2', 'prepared 3', 'closed 2', 'prepared 2']);
  });

  it('end together', async () => {
    const { links, events } = recordingLinks();
    for (const leader of [1, 2]) await links.prepared(leader, TOPIC);
    await links.close();
    expect(events.slice(2)).toEqual(['closed 1', 'closed 2']);
  });
});
