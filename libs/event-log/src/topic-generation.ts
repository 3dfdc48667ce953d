import { topicInGeneration } from '@flatline/events';
import type { EventLog, LogProducer } from './event-log';

/**
 * The log as one generation of topics: whoever uses it says the names of the catalogue, and the log is asked for those
 * of the generation. This is the one place where a generation is put in. Records and errors carry the names that the
 * log knows, because an operator finds those there.
 *
 * @param generation from 1
 */
export function inGeneration(log: EventLog, generation: number): EventLog {
  const named = (topic: string): string => topicInGeneration(topic, generation);
  return {
    identity: () => log.identity().replace(/:g\d+$/, `:g${generation}`),
    ensureTopics: (topics) => log.ensureTopics(topics.map((topic) => ({ ...topic, name: named(topic.name) }))),
    bounds: (topic, partition) => log.bounds(named(topic), partition),
    producer: async (options) => producerInGeneration(await log.producer(options), named),
    consume: (options) => log.consume({ ...options, topic: named(options.topic) }),
    troubles: () => log.troubles(),
    close: () => log.close(),
  };
}

function producerInGeneration(producer: LogProducer, named: (topic: string) => string): LogProducer {
  return {
    epoch: producer.epoch,
    append: (topic, records) => producer.append(named(topic), records),
    close: () => producer.close(),
  };
}
