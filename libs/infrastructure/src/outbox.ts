import { shardOf } from '@flatline/domain';
import type { EventLog, LogProducer } from '@flatline/event-log';
import { type DatabaseSession, OutboxRelay, type RelayedEvent } from '@flatline/persistence';
import type { Kernel } from '@flatline/service-kernel';

/** Starts to publish the outbox. Which of several processes does it is settled by locks in the database. */
export async function startRelay(
  { config, logger }: Kernel,
  session: DatabaseSession,
  log: EventLog,
): Promise<OutboxRelay> {
  const producer = await log.producer();
  const relay = new OutboxRelay({
    session,
    publish: (events) => publish(producer, events, config.PING_PARTITIONS),
    onError: (error) => logger.warn({ err: error }, 'the outbox could not be published; trying again'),
  });
  relay.start();
  return relay;
}

/** Appends in the order given, topic by topic: events of one key and topic keep their order. */
async function publish(producer: LogProducer, events: readonly RelayedEvent[], partitions: number): Promise<void> {
  for (const topic of new Set(events.map((event) => event.topic))) {
    const records = events
      .filter((event) => event.topic === topic)
      .map(({ key, value }) => ({ partition: shardOf(key, partitions), key, value }));
    await producer.append(topic, records);
  }
}
