import { KafkaErrorCode } from '../kafka-client';
import { Brokers, NO_LEADER } from './brokers';
import type { PlatformaticKafka } from './library';
import { PlatformaticSender } from './platformatic-sender';

describe('a sender on @platformatic/kafka', () => {
  afterEach(() => jest.restoreAllMocks());

  /** Guarded by `send` in platformatic-sender.ts. */
  it('learns anew who leads after it knew of no leader, or it would refuse that partition for ever', async () => {
    jest.spyOn(Brokers.prototype, 'layout').mockResolvedValue({ id: 'topic', leaders: [NO_LEADER] });
    const forget = jest.spyOn(Brokers.prototype, 'forget');
    const access = { brokers: ['127.0.0.1:9'] };
    const sender = new PlatformaticSender({} as PlatformaticKafka, access, { ackTimeoutMs: 1, leader: 1 });
    const sending = sender.send('test.topic', [{ partition: 0, key: 'key', value: Buffer.from('value') }]);
    await expect(sending).rejects.toMatchObject({ code: KafkaErrorCode.LEADER_NOT_AVAILABLE });
    expect(forget).toHaveBeenCalledWith('test.topic');
  });
});
