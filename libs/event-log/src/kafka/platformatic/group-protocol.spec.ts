import { AssignerProtocol } from 'kafkajs';
import { dealPartitions, decodeAssignment, encodeAssignment, encodeSubscription } from './group-protocol';
import { loadPlatformaticKafka } from './library';
import type { PlatformaticKafka } from './library';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;

describe('what members of a consumer group tell one another', () => {
  let kafka: PlatformaticKafka;
  beforeAll(async () => {
    kafka = await loadPlatformaticKafka();
  });

  it('is understood by members on kafkajs, so that a cluster can change its client while it runs', () => {
    expect(MemberMetadata.decode(encodeSubscription(kafka, 'pings.v1'))?.topics).toEqual(['pings.v1']);
    expect(MemberAssignment.decode(encodeAssignment(kafka, 'pings.v1', [0, 2, 31]))?.assignment).toEqual({
      'pings.v1': [0, 2, 31],
    });
  });

  it('is understood when a member on kafkajs deals the partitions', () => {
    const assignment = { 'another.v1': [5], 'pings.v1': [31, 0, 2] };
    const encoded = MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) });
    expect(decodeAssignment(kafka, 'pings.v1', encoded)).toEqual([0, 2, 31]);
  });

  it('may be nothing at all, for a member that is one too many', () => {
    expect(decodeAssignment(kafka, 'pings.v1', Buffer.alloc(0))).toEqual([]);
    expect(decodeAssignment(kafka, 'pings.v1', encodeAssignment(kafka, 'pings.v1', []))).toEqual([]);
  });

  it('gives every partition to one member, and no member two more than another', () => {
    expect(dealPartitions(['b', 'a', 'c'], 8)).toEqual(
      new Map([
        ['a', [0, 3, 6]],
        ['b', [1, 4, 7]],
        ['c', [2, 5]],
      ]),
    );
    expect(dealPartitions(['a', 'b'], 1)).toEqual(
      new Map([
        ['a', [0]],
        ['b', []],
      ]),
    );
  });
});
