import { outcomeOf } from './append-outcome';
import { BrokerRefusal, KafkaErrorCode } from './kafka-client';

const to = (...partitions: number[]) => partitions.map((partition) => ({ partition, key: '', value: Buffer.alloc(0) }));
const refusal = (code: number) => new BrokerRefusal(code, 'refused');

describe('what an error means for an append', () => {
  it.each([
    ['too few replicas', KafkaErrorCode.NOT_ENOUGH_REPLICAS],
    ['a batch too large', KafkaErrorCode.MESSAGE_TOO_LARGE],
    ['no such topic', KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['no permission', KafkaErrorCode.TOPIC_AUTHORIZATION_FAILED],
  ])('is that nothing was stored when the leader says so before it writes: %s', (_what, code) => {
    expect(outcomeOf(refusal(code), to(3, 3))).toBe('rejected');
  });

  it('is open when the refusal speaks of one partition and there are others', () => {
    expect(outcomeOf(refusal(KafkaErrorCode.NOT_ENOUGH_REPLICAS), to(3, 4))).toBe('unresolved');
  });

  it.each([
    ['a leader that lost its office', refusal(KafkaErrorCode.NOT_LEADER_OR_FOLLOWER)],
    ['replicas that were too slow', refusal(7)],
    ['replicas that were lost after the write', refusal(20)],
    ['a code nobody knows', refusal(-99)],
    ['a connection that was lost', new Error('read ECONNRESET')],
  ])('is open after %s', (_what, error) => {
    expect(outcomeOf(error, to(3))).toBe('unresolved');
  });
});
