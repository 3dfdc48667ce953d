import type { PlatformaticKafka } from './library';

/** What members of a consumer group tell one another through the broker, byte for byte as kafkajs does. */
export const GROUP_PROTOCOL = { type: 'consumer', name: 'RoundRobinAssigner' } as const;

const VERSION = 1;

/** "I read this topic." */
export function encodeSubscription({ Writer }: PlatformaticKafka, topic: string): Buffer {
  return Writer.create()
    .appendInt16(VERSION)
    .appendArray([topic], (writer, name) => writer.appendString(name, false), false, false)
    .appendBytes(Buffer.alloc(0), false).buffer;
}

/** "These partitions of it are yours." */
export function encodeAssignment({ Writer }: PlatformaticKafka, topic: string, partitions: readonly number[]): Buffer {
  return Writer.create()
    .appendInt16(VERSION)
    .appendArray(
      [topic],
      (writer, name) =>
        writer
          .appendString(name, false)
          .appendArray([...partitions], (inner, partition) => inner.appendInt32(partition), false, false),
      false,
      false,
    )
    .appendBytes(Buffer.alloc(0), false).buffer;
}

/** The partitions of this topic, ascending; none for a member that the leader has nothing for. */
export function decodeAssignment({ Reader }: PlatformaticKafka, topic: string, assignment: Buffer): number[] {
  if (assignment.length === 0) return [];
  const reader = Reader.from(assignment);
  reader.readInt16();
  const topics = reader.readArray(
    (inner) => ({
      name: inner.readString(false),
      partitions: inner.readArray((item) => item.readInt32(), false, false),
    }),
    false,
    false,
  );
  return topics
    .filter(({ name }) => name === topic)
    .flatMap(({ partitions }) => partitions)
    .sort((a, b) => a - b);
}

/** Deals the partitions round, so that no member has two more than another. */
export function dealPartitions(memberIds: readonly string[], partitions: number): Map<string, number[]> {
  const sorted = [...memberIds].sort();
  const dealt = new Map(sorted.map((memberId) => [memberId, [] as number[]]));
  for (let partition = 0; partition < partitions; partition++) {
    dealt.get(sorted[partition % sorted.length] as string)?.push(partition);
  }
  return dealt;
}
