export type PlatformaticKafka = typeof import('@platformatic/kafka');

/**
 * Loads the client library at its first use, so that a process on kafkajs never pays for it.
 *
 * It is an ES module. The compiler turns this `import()` into `require()`, which loads ES modules from Node 20.19 on.
 * Jest cannot do that: its configuration has the packages of this library compiled like our own sources.
 */
export function loadPlatformaticKafka(): Promise<PlatformaticKafka> {
  return import('@platformatic/kafka');
}
