import type { KafkaClient, KafkaClientOptions } from './kafka-client';

/** The client libraries there are, by the names of KAFKA_CLIENT. Loaded when chosen, so that nobody pays for the other. */
const CLIENTS = {
  kafkajs: async (options: KafkaClientOptions): Promise<KafkaClient> => {
    const { KafkaJsClient } = await import('./kafkajs/kafkajs-client');
    return new KafkaJsClient(options);
  },
  platformatic: async (options: KafkaClientOptions): Promise<KafkaClient> => {
    const { PlatformaticClient } = await import('./platformatic/platformatic-client');
    return PlatformaticClient.load(options);
  },
};

export type KafkaClientName = keyof typeof CLIENTS;

export function createKafkaClient(name: KafkaClientName, options: KafkaClientOptions): Promise<KafkaClient> {
  return CLIENTS[name](options);
}
