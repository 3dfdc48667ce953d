import { shardOf } from '@flatline/domain';
import { type EventLog, type LogProducer, RecordTooLarge } from '@flatline/event-log';
import { TOPICS } from '@flatline/events';
import { type DatabaseSession, OutboxRelay, type RelayedEvent } from '@flatline/persistence';
import { type Kernel, RecurringWarning, TRACEPARENT, type Tracing } from '@flatline/service-kernel';

/**
 * Starts to publish the outbox. Which of several processes does it is settled by locks in the database.
 *
 * @param onBuried an event went to the dead letters
 */
export async function startRelay(
  { config, clock, logger, tracing }: Kernel,
  session: DatabaseSession,
  log: EventLog,
  onBuried: () => void,
): Promise<OutboxRelay> {
  const producer = await log.producer();
  const failing = new RecurringWarning(logger, clock, 'the outbox could not be published; trying again');
  const relay = new OutboxRelay({
    session,
    publish: (events) => publish(producer, events, { partitions: config.PING_PARTITIONS, tracing }),
    refusalOf: (error) => (error instanceof RecordTooLarge || error instanceof NoSuchTopic ? error.message : null),
    onBuried: (event) => {
      onBuried();
      logger.error({ ...event }, 'an event of the outbox was put aside');
    },
    onError: (error) => failing.note(error),
  });
  relay.start();
  return relay;
}

/** An event for a topic that the catalogue does not have: there will never be one. */
class NoSuchTopic extends Error {
  override readonly name = 'NoSuchTopic';
}

/** Appends in the order given, topic by topic: events of one key and topic keep their order. */
async function publish(
  producer: LogProducer,
  events: readonly RelayedEvent[],
  { partitions, tracing }: { partitions: number; tracing: Tracing },
): Promise<void> {
  const topics = new Set(events.map((event) => event.topic));
  for (const topic of topics) {
    if (!TOPICS.some(({ name }) => name === topic)) throw new NoSuchTopic(`there is no topic ${topic}`);
  }
  for (const topic of topics) {
    const ofTopic = events.filter((event) => event.topic === topic);
    const spans = ofTopic.map(({ traceparent: parent }) =>
      parent === null
        ? null
        : tracing.start('publish', { kind: 'producer', parent, attributes: { 'messaging.destination.name': topic } }),
    );
    const records = ofTopic.map(({ key, value }, index) => {
      const traceparent = spans[index]?.traceparent;
      return {
        partition: shardOf(key, partitions),
        key,
        value,
        ...(traceparent == null ? {} : { headers: { [TRACEPARENT]: traceparent } }),
      };
    });
    await producer.append(topic, records);
    spans.forEach((span) => span?.end());
  }
}
