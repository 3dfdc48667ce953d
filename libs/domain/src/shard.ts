import { hash } from 'node:crypto';

/**
 * The shard of a heartbeat: which partition its pings, definitions and incidents go to, and which scheduler judges it.
 *
 * The first four bytes of SHA-256 of the id, modulo the number of partitions: stable over versions and languages.
 * Records are produced to that partition explicitly, so no client's default partitioner matters.
 */
export function shardOf(heartbeatId: string, partitions: number): number {
  // The one-shot hash into a string takes a seventh of the time of a Hash object, and this runs several times per ping.
  return parseInt(hash('sha256', heartbeatId, 'hex').slice(0, 8), 16) % partitions;
}
