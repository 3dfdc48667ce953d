import { shardColumn } from '@flatline/persistence';
import type { EntityManager } from 'typeorm';

/**
 * Gives every heartbeat the shard it has among so many. The index by shard is made anew afterwards, which costs less
 * than to move half of its entries one by one.
 */
export async function spreadHeartbeats(
  manager: EntityManager,
  partitions: number,
): Promise<{ heartbeats: number; moved: number }> {
  const [index] = await manager.query<{ definition: string }[]>(
    `SELECT pg_get_indexdef('heartbeat_runtime_due'::regclass) AS definition`,
  );
  await manager.query('DROP INDEX heartbeat_runtime_due');
  const [, moved] = await manager.query<[unknown, number]>(
    `UPDATE heartbeat_runtime SET shard = ${shardColumn('heartbeat_id', '$1')}
     WHERE shard <> ${shardColumn('heartbeat_id', '$1')}`,
    [partitions],
  );
  await manager.query(index!.definition);
  const [row] = await manager.query<{ count: string }[]>('SELECT count(*) FROM heartbeat_runtime');
  return { heartbeats: Number(row?.count), moved };
}

/**
 * Lets every new shard go on from the old one that its heartbeats come from (the remainder tells which): at the start of
 * its empty topic, with the watermark, the spells and the absences of the old one. Ingests are forgotten: all they
 * appended has been read, and none of them is alive.
 *
 * @param identity of the log in the new generation
 */
export async function spreadProgress(
  manager: EntityManager,
  from: number,
  to: number,
  identity: string,
): Promise<void> {
  await manager.query(
    `WITH old AS (DELETE FROM consumer_offset RETURNING *)
     INSERT INTO consumer_offset
       (consumer_group, topic, partition, log_identity, next_offset, watermark, ingests, updated_at)
     SELECT consumer_group, topic, new_partition, $3, 0, watermark, jsonb_set(ingests, '{ingests}', '{}'), updated_at
     FROM old JOIN generate_series(0, $2::int - 1) AS new_partition ON new_partition % $1::int = partition`,
    [from, to, identity],
  );
  await manager.query(
    `INSERT INTO absence (shard, started_at, ended_at)
     SELECT new_shard, started_at, ended_at
     FROM absence JOIN generate_series($1::int, $2::int - 1) AS new_shard ON new_shard % $1::int = shard`,
    [from, to],
  );
}
