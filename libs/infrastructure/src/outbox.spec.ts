import { AppendUnresolved, type LogProducer, RecordTooLarge } from '@flatline/event-log';
import { HEARTBEATS_TOPIC, INCIDENTS_TOPIC } from '@flatline/events';
import { shardOf } from '@flatline/domain';
import { NO_TRACING } from '@flatline/service-kernel';
import { publish } from './outbox';

const PARTITIONS = 4;
const event = (topic: string, key: string) => ({ topic, key, value: Buffer.from(key), traceparent: null });
const append = jest.fn<ReturnType<LogProducer['append']>, Parameters<LogProducer['append']>>();
const placeOf = (topic: string, key: string): string => `${topic}/${shardOf(key, PARTITIONS)}`;

describe('what an append that failed means for the events of the outbox', () => {
  const events = [event(HEARTBEATS_TOPIC, 'a'), event(INCIDENTS_TOPIC, 'a'), event(INCIDENTS_TOPIC, 'c')];
  const run = () => publish({ append }, events, { partitions: PARTITIONS, tracing: NO_TRACING });
  beforeEach(() => append.mockReset().mockResolvedValue({ appendedAt: 1 }));

  it('holds up no other topic', async () => {
    append.mockRejectedValueOnce(new Error('away'));
    expect([...(await run()).keys()]).toEqual([placeOf(HEARTBEATS_TOPIC, 'a')]);
    expect(append.mock.calls.map(([topic]) => topic)).toEqual([HEARTBEATS_TOPIC, INCIDENTS_TOPIC]);
  });

  it('holds up the partitions that the error names, and no others', async () => {
    const partitions = [shardOf('c', PARTITIONS)];
    append.mockResolvedValueOnce({ appendedAt: 1 }).mockRejectedValueOnce(new AppendUnresolved('?', { partitions }));
    expect([...(await run()).keys()]).toEqual([placeOf(INCIDENTS_TOPIC, 'c')]);
  });

  it('is thrown when it can never be published', async () => {
    append.mockRejectedValueOnce(new RecordTooLarge(0, 2, 1));
    await expect(run()).rejects.toThrow(RecordTooLarge);
  });
});
