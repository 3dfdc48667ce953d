import { shardOf } from '@flatline/domain';
import {
  AppendRejected,
  AppendUnresolved,
  type EventLog,
  type LogProducer,
  type OutgoingRecord,
  RecordTooLarge,
} from '@flatline/event-log';
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
    placeOf: ({ topic, key }) => placeOf(topic, shardOf(key, config.PING_PARTITIONS)),
    publish: (events) => publish(producer, events, { partitions: config.PING_PARTITIONS, tracing }),
    refusalOf: (error) => (isRefusal(error) ? error.message : null),
    monotonic: () => clock.monotonic(),
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

/** Why events can never be published; whatever else fails is tried again. */
function isRefusal(error: unknown): error is RecordTooLarge | NoSuchTopic {
  return error instanceof RecordTooLarge || error instanceof NoSuchTopic;
}

const placeOf = (topic: string, partition: number): string => `${topic}/${partition}`;

/** The partitions of an append that failed: those that the error names, or all. */
function failedPartitions(error: unknown, records: readonly OutgoingRecord[]): readonly number[] {
  const named = error instanceof AppendRejected || error instanceof AppendUnresolved ? error.partitions : undefined;
  return named ?? records.map(({ partition }) => partition);
}

/**
 * Appends in the order given, topic by topic: events of one key and topic keep their order. A topic that fails, or some of
 * its partitions, holds up no other.
 *
 * @returns the places that failed, each with its error
 */
export async function publish(
  producer: Pick<LogProducer, 'append'>,
  events: readonly RelayedEvent[],
  { partitions, tracing }: { partitions: number; tracing: Tracing },
): Promise<ReadonlyMap<string, unknown>> {
  const failed = new Map<string, unknown>();
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
    try {
      await producer.append(topic, records);
    } catch (error) {
      if (isRefusal(error)) throw error;
      for (const partition of failedPartitions(error, records)) failed.set(placeOf(topic, partition), error);
    }
    spans.forEach((span) => span?.end());
  }
  return failed;
}
