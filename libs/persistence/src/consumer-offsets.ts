import type { EntityManager } from 'typeorm';

/** Which partition of which topic a group of consumers reads. */
export interface ConsumerPosition {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

/** The stored position belongs to another log than the one we are connected to. Never resolved by guessing. */
export class LogIdentityChanged extends Error {
  override readonly name = 'LogIdentityChanged';
}

/** The log has ended before the stored position, see {@link noteCutOff}. */
export class LogCutOff extends Error {
  override readonly name = 'LogCutOff';
}

/**
 * The offset to read next. A group that never read this partition starts at `logStart`, and that is written down.
 *
 * @throws LogIdentityChanged
 * @throws LogCutOff
 */
export async function nextOffset(
  manager: EntityManager,
  { group, topic, partition }: ConsumerPosition,
  log: { readonly identity: string; readonly start: number },
  now: number,
): Promise<number> {
  await manager.query(
    `INSERT INTO consumer_offset (consumer_group, topic, partition, log_identity, next_offset, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
    [group, topic, partition, log.identity, log.start, new Date(now)],
  );
  const [row] = await manager.query<{ log_identity: string; next_offset: string; cut_off_at: Date | null }[]>(
    `SELECT log_identity, next_offset, cut_off_at FROM consumer_offset
     WHERE consumer_group = $1 AND topic = $2 AND partition = $3`,
    [group, topic, partition],
  );
  if (!row) throw new Error('the consumer offset that was just written is gone');
  if (row.log_identity !== log.identity) {
    throw new LogIdentityChanged(
      `the position of ${group} in ${topic}/${partition} belongs to another event log than the one connected; ` +
        'connect to that one, or adopt this one with dist/apps/adopt-log/main.js if it is gone',
    );
  }
  if (row.cut_off_at !== null) {
    throw new LogCutOff(
      `the event log has ended before position ${row.next_offset} of ${group} in ${topic}/${partition}; ` +
        'it is read on once an operator adopts it with dist/apps/adopt-log/main.js',
    );
  }
  return Number(row.next_offset);
}

/**
 * Holds a group to it that the log ended before its position, over restarts and for however long the log has grown since:
 * its new records up to the position would be left out. Nothing is noted of a position that lies before what the log
 * holds, because the log never comes back to that by itself, nor when the position is another one meanwhile.
 *
 * @param found where the position was, and the end that was asked for after it was known
 */
export async function noteCutOff(
  manager: EntityManager,
  { group, topic, partition }: ConsumerPosition,
  found: { readonly position: number; readonly end: number },
  now: number,
): Promise<void> {
  if (found.position <= found.end) return;
  await manager.query(
    `UPDATE consumer_offset SET cut_off_at = $5
     WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND next_offset = $4 AND cut_off_at IS NULL`,
    [group, topic, partition, found.position, new Date(now)],
  );
}

/**
 * Moves the position, inside the transaction that applied the records. False when it is not where it was expected:
 * roll back, read the stored position and go on from there (the commit may have succeeded before the connection died,
 * or another process owns the partition).
 */
export async function moveOffset(
  manager: EntityManager,
  { group, topic, partition }: ConsumerPosition,
  move: { readonly from: number; readonly to: number },
  now: number,
): Promise<boolean> {
  const [, moved] = await manager.query<[unknown, number]>(
    `UPDATE consumer_offset SET next_offset = $5, updated_at = $6
     WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND next_offset = $4`,
    [group, topic, partition, move.from, move.to, new Date(now)],
  );
  return moved === 1;
}
