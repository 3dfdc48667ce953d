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

/**
 * The offset to read next. A group that never read this partition starts at `logStart`, and that is written down.
 *
 * @throws LogIdentityChanged
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
  const [row] = await manager.query<{ log_identity: string; next_offset: string }[]>(
    `SELECT log_identity, next_offset FROM consumer_offset WHERE consumer_group = $1 AND topic = $2 AND partition = $3`,
    [group, topic, partition],
  );
  if (!row) throw new Error('the consumer offset that was just written is gone');
  if (row.log_identity !== log.identity) {
    throw new LogIdentityChanged(
      `the position of ${group} in ${topic}/${partition} belongs to another event log than the one connected; ` +
        'connect to that one, or adopt this one with dist/apps/adopt-log/main.js if it is gone',
    );
  }
  return Number(row.next_offset);
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
