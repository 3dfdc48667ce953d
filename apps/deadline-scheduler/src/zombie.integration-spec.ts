import { shardOf } from '@flatline/domain';
import { type LogRecord, PositionMoved } from '@flatline/event-log';
import { PINGS_TOPIC } from '@flatline/events';
import { createKernel } from '@flatline/service-kernel';
import type { Timers, WakeQueue } from '@flatline/timers';
import { eventually } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { DeadlineScheduler } from './deadline-scheduler';
import { PARTITIONS, Stage } from './test-stage';

/** Timers that never wake: what is judged here is judged because the test says so. */
const silent = {
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
  wakeAt: () => Promise.resolve(),
  cancel: () => Promise.resolve(),
  isIntact: () => Promise.resolve(true),
} as unknown as WakeQueue;
const timers = { queue: () => silent } as unknown as Timers;

describe('a scheduler that lost its partition without noticing', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(async () => {
    await stage.close();
  });

  /** One that reads nothing by itself: the test hands it what it reads. */
  function scheduler(): DeadlineScheduler {
    const { dataSource, log } = stage.infrastructure;
    return new DeadlineScheduler({ ...createKernel(stage.kernel.config), dataSource, log, timers });
  }
  /** What the log holds of a partition from an offset on. */
  async function recordsFrom(shard: number, offset: number): Promise<LogRecord[]> {
    const read: LogRecord[] = [];
    const { end } = await stage.infrastructure.log.bounds(PINGS_TOPIC, shard);
    const subscription = await stage.infrastructure.log.consume({
      topic: PINGS_TOPIC,
      group: `test-${uuidv7()}`,
      maxRecords: 1_000,
      handler: {
        position: (partition) => Promise.resolve(partition === shard ? offset : 0),
        handle: (partition, records) => {
          if (partition === shard) read.push(...records);
          return Promise.resolve();
        },
      },
    });
    await eventually(() => expect(read).toHaveLength(end - offset), { withinMs: 5_000 });
    await subscription.close();
    return read;
  }
  /** Everything a batch can change, as text. */
  const state = (heartbeatId: string): Promise<unknown[]> =>
    stage.rows(
      `SELECT (SELECT jsonb_agg(to_jsonb(r)) FROM heartbeat_runtime r WHERE r.heartbeat_id = $1) AS runtime,
         (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM ping p WHERE p.heartbeat_id = $1) AS pings,
         (SELECT jsonb_agg(to_jsonb(i)) FROM incident i) AS incidents,
         (SELECT jsonb_agg(to_jsonb(a)) FROM absence a) AS absences,
         (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.topic, c.partition) FROM consumer_offset c) AS positions`,
      [heartbeatId],
    );

  it('moves no position with the batch it has in hand, and changes nothing', async () => {
    // Guarded by `ShardProgressStore.move`: `c.next_offset = u.expected`, zero rows roll everything back.
    const id = await stage.heartbeat(3_600, 0, 1);
    const shard = shardOf(id, PARTITIONS);
    const [owner, zombie] = [scheduler()['pings'], scheduler()['pings']];
    const from = await owner.position(shard);
    expect(await zombie.position(shard)).toBe(from);
    const pingedAt = Date.now() - 10_000;
    stage.acceptingSince = pingedAt - 10_000;
    await stage.ping(id, pingedAt);
    await stage.pulse();
    const inHand = await recordsFrom(shard, from);
    await stage.ping(id, pingedAt + 5_000);
    const all = await recordsFrom(shard, from);

    await owner.handle(shard, all);
    const after = await state(id);
    await expect(zombie.handle(shard, inHand)).rejects.toThrow(PositionMoved);
    expect(await state(id)).toEqual(after);
    expect(await stage.pingCount(id)).toBe(2);
    expect(await zombie.position(shard)).toBe(from + all.length);
  });

  it('judges by the watermark that is committed, not by the one it remembers', async () => {
    // Guarded by step 2 of `Judge.judge`, which reads the watermark from the table.
    const id = await stage.heartbeat(1, 0, 1);
    const shard = shardOf(id, PARTITIONS);
    const [owner, zombie] = [scheduler(), scheduler()];
    const from = await owner['pings'].position(shard);
    const pingedAt = Date.now() - 900; // the deadline is in 100 ms, and later than any watermark so far
    await stage.pulse(pingedAt + 900);
    await stage.ping(id, pingedAt);
    await owner['pings'].handle(shard, await recordsFrom(shard, from));
    const judge = zombie['sweep']['parts'].judge;
    await zombie['alarmClock'].assigned(shard);
    await eventually(() => expect(Date.now()).toBeGreaterThan(pingedAt + 1_100));
    zombie['watermarkMoved'](shard, Date.now());
    expect(await judge.judge(shard, [id])).toEqual({ waiting: [id], wentDown: 0 });
    expect(await stage.incidents(id)).toEqual([]);
  });

  it('judges no row by a watermark that its new owner commits together with a ping meanwhile', async () => {
    // Guarded by steps 1 and 2 of `Judge.judge`: the row is locked before the watermark is read.
    const id = await stage.heartbeat(60, 0, 1);
    const shard = shardOf(id, PARTITIONS);
    const [owner, zombie] = [scheduler(), scheduler()];
    const pingedAt = Date.now() - 59_900; // the deadline is in 100 ms, and later than any watermark so far
    const from = await owner['pings'].position(shard);
    await stage.ping(id, pingedAt);
    await owner['pings'].handle(shard, await recordsFrom(shard, from));
    const next = await owner['pings'].position(shard);
    await stage.ping(id, pingedAt + 59_900);
    await eventually(() => expect(Date.now()).toBeGreaterThan(pingedAt + 60_100));
    await stage.pulse();
    const records = await recordsFrom(shard, next);

    const progress = zombie['progress'];
    const read = progress.watermarks.bind(progress);
    let applying = Promise.resolve();
    progress.watermarks = async (manager) => {
      applying = owner['pings'].handle(shard, records);
      await Promise.race([applying, new Promise((resolve) => setTimeout(resolve, 500))]);
      return read(manager);
    };
    await zombie['sweep']['parts'].judge.judge(shard, [id]);
    await applying;
    expect(await stage.incidents(id)).toEqual([]);
    const [row] = await stage.rows<{ last_ping_at: Date }>(
      'SELECT last_ping_at FROM heartbeat_runtime WHERE heartbeat_id = $1',
      [id],
    );
    expect(row?.last_ping_at.getTime()).toBe(pingedAt + 59_900);
  });
});
