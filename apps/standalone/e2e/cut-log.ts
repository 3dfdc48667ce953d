import { type OutgoingRecord, openPostgresEventLog } from '@flatline/event-log';
import { pingReceived, PINGS_TOPIC } from '@flatline/events';
import type { Client } from 'pg';
import { v7 as uuidv7 } from 'uuid';

/** Appends to the pings topic beside the ingest. */
export async function appendRecords(databaseUrl: string, records: readonly OutgoingRecord[]): Promise<void> {
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const log = await openPostgresEventLog({ url: databaseUrl, logger });
  await (await log.producer()).append(PINGS_TOPIC, records);
  await log.close();
}

/** Pings of a heartbeat that is not there any more: they move the reader of a partition on and mean nothing. */
export function strayPings(partition: number, count: number): OutgoingRecord[] {
  const [key, receivedAt] = [uuidv7(), Date.now()];
  return Array.from({ length: count }, (_, index) => {
    const id = uuidv7();
    const value = pingReceived.encode({
      ...{ id, key, correlationId: id, occurredAt: receivedAt, producedAt: receivedAt },
      data: {
        ...{ heartbeatId: key, generation: 0, kind: 'success', receivedAt },
        ...{ ingestId: 'nobody', epoch: 1, sequence: index + 1 },
      },
    });
    return { partition, key, value };
  });
}

/** Takes everything out of a partition of the pings, as the restore of a copy from before its first record does. */
export async function cutOff(database: Client, partition: number): Promise<void> {
  const { rows } = await database.query<{ topic_id: number; segment_id: number }>(
    `SELECT topic_id, segment_id FROM flatline_log.log_segment JOIN flatline_log.log_topic USING (topic_id)
     WHERE name = $1`,
    [PINGS_TOPIC],
  );
  const [segment, ...older] = rows;
  if (!segment || older.length > 0) throw new Error('this works on a log of one segment, as a new one has');
  await database.query('BEGIN');
  await database.query('UPDATE flatline_log.log_partition SET next_offset = 0 WHERE topic_id = $1 AND partition = $2', [
    segment.topic_id,
    partition,
  ]);
  await database.query(`DELETE FROM flatline_log.segment_${segment.segment_id} WHERE partition = $1`, [partition]);
  await database.query('COMMIT');
}
