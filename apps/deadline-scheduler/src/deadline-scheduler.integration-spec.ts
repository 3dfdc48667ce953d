import { shardOf } from '@flatline/domain';
import { HEARTBEATS_TOPIC, ingestPulsed, PINGS_TOPIC } from '@flatline/events';
import { eventually } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { PARTITIONS, Stage } from './test-stage';

describe('the deadline scheduler', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.open();
  });
  afterEach(async () => {
    await stage.close();
  });

  it('goes down at the second missed deadline, dated at the deadline, and recovers with the next ping', async () => {
    await stage.startScheduler();
    const id = await stage.heartbeat(1, 0);
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    await stage.ping(id, pingedAt);
    await eventually(
      async () => {
        await stage.pulse();
        expect(await stage.incidents(id)).toEqual([{ startedAt: pingedAt + 2_000, endedAt: null, misses: 2 }]);
      },
      { withinMs: 10_000, everyMs: 200 },
    );
    const recoveredAt = Date.now();
    await stage.ping(id, recoveredAt);
    await eventually(
      async () => {
        expect(await stage.incidents(id)).toEqual([{ startedAt: pingedAt + 2_000, endedAt: recoveredAt, misses: 2 }]);
        expect(await stage.eventCount()).toBe(2);
      },
      { withinMs: 10_000 },
    );
  });

  it('judges nothing while the watermark stands, however late it gets', async () => {
    await stage.startScheduler();
    const id = await stage.heartbeat(1, 0, 1);
    const pingedAt = Date.now() - 1_000;
    stage.acceptingSince = pingedAt - 10_000;
    await stage.pulse(pingedAt + 500);
    await stage.ping(id, pingedAt);
    await eventually(async () => expect(await stage.pingCount(id)).toBe(1), { withinMs: 5_000 });
    const deadline = Date.now() + 1_500;
    while (Date.now() < deadline) {
      expect(await stage.incidents(id)).toEqual([]);
      await stage.pulse(pingedAt + 999);
    }
    await stage.pulse();
    await eventually(async () => expect(await stage.incidents(id)).toHaveLength(1), { withinMs: 5_000 });
  });

  it('keeps a ping once in the history although the log holds it twice', async () => {
    await stage.startScheduler();
    const id = await stage.heartbeat(60, 0);
    const [pingId, at] = [uuidv7(), Date.now()];
    await stage.ping(id, at, pingId);
    await stage.ping(id, at, pingId);
    await stage.ping(id, at + 1);
    await eventually(async () => expect(await stage.pingCount(id)).toBe(2), { withinMs: 5_000 });
  });

  it('finds deadlines whose timers were lost', async () => {
    await stage.startScheduler();
    const ids = await Promise.all(Array.from({ length: 20 }, () => stage.heartbeat(1, 0, 1)));
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    for (const id of ids) await stage.ping(id, pingedAt);
    await eventually(async () => expect(await stage.pingCount(ids.at(-1)!)).toBe(1), { withinMs: 5_000 });
    for (let shard = 0; shard < PARTITIONS; shard += 1) {
      await stage.infrastructure.timers.queue(`deadlines-${shard}`).cancel(ids);
    }
    // The watermark lags and catches up, which is when a sweep is made at once.
    await stage.pulse(pingedAt + 100);
    await eventually(
      async () => {
        expect(Date.now()).toBeGreaterThan(pingedAt + 2_500);
      },
      { withinMs: 5_000 },
    );
    await stage.pulse(pingedAt + 200);
    await stage.pulse();
    await eventually(
      async () => {
        for (const id of ids) expect(await stage.incidents(id)).toHaveLength(1);
      },
      { withinMs: 10_000 },
    );
  });

  it('holds back after a short absence of the ingest, and a ping within the lease is on time', async () => {
    await stage.startScheduler();
    const id = await stage.heartbeat(1, 1, 1);
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    await stage.ping(id, pingedAt);
    await stage.pulse(pingedAt + 500);
    // Restarted: away from +500 to +1500, which the deadline at +2000 touches; judged at +1500 + lease (2 s) at the earliest.
    const back = pingedAt + 1_500;
    await eventually(() => expect(Date.now()).toBeGreaterThan(back + 10), { withinMs: 5_000 });
    await stage.pulse(back, { epoch: 2, acceptingSince: back });
    await stage.ping(id, back + 1_900);
    await eventually(() => expect(Date.now()).toBeGreaterThan(back + 2_000), { withinMs: 5_000 });
    await stage.pulse();
    await eventually(async () => expect(await stage.pingCount(id)).toBe(2), { withinMs: 5_000 });
    expect(await stage.incidents(id)).toEqual([]);
    expect(await stage.rows('SELECT 1 FROM absence')).toHaveLength(PARTITIONS);
  });

  it('puts a record that cannot be read aside and goes on', async () => {
    await stage.startScheduler();
    const id = await stage.heartbeat(60, 0);
    const partition = shardOf(id, PARTITIONS);
    const oddPulse = pulseOf('an ingest whose id holds a NUL \u0000');
    await stage.producer.append(PINGS_TOPIC, [
      { partition, key: 'x\u0000y', value: Buffer.from([0, 1, 2]) },
      { partition, key: 'pulse', value: oddPulse },
    ]);
    await stage.ping(id, Date.now());
    await eventually(async () => expect(await stage.pingCount(id)).toBe(1), { withinMs: 5_000 });
    const letters = await stage.rows<{ payload: Buffer; reason: string; log_offset: string }>(
      'SELECT payload, reason, log_offset FROM dead_letter ORDER BY log_offset',
    );
    expect(letters).toEqual([
      { payload: Buffer.from([0, 1, 2]), reason: 'not JSON', log_offset: '0' },
      { payload: oddPulse, reason: 'ingest.pulsed does not fit its schema at: data.ingestId', log_offset: '1' },
    ]);
  });

  it('puts a ping aside that cannot be stored and keeps those beside it', async () => {
    const [good, odd] = [await stage.heartbeat(60, 0), await stage.heartbeat(60, 0)];
    const now = Date.now();
    await stage.ping(good, now);
    await stage.ping(odd, now, undefined, 'a\u0000b'); // no text of Postgres can hold a NUL
    await stage.ping(good, now + 1);
    await stage.startScheduler();
    await eventually(async () => expect(await stage.pingCount(good)).toBe(2), { withinMs: 5_000 });
    expect(await stage.pingCount(odd)).toBe(0);
    await eventually(async () => {
      const letters = await stage.rows<{ reason: string; key: string }>('SELECT reason, key FROM dead_letter');
      expect(letters).toEqual([{ reason: 'refused by the database (SQLSTATE 22021)', key: odd }]);
    });
  });

  /** Guarded by `DATA_CLASSES` in libs/persistence/src/dead-letters.ts: tried again for ever it would stop its shard. */
  it('puts a ping aside for which a statement meets more rows than it can take', async () => {
    const [good, odd] = [await stage.heartbeat(60, 0), await stage.heartbeat(60, 0)];
    await stage.rows(`CREATE FUNCTION meet_two_rows() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN NEW.method := (SELECT name FROM (VALUES (''one''), (''two'')) AS rows (name)); RETURN NEW; END'`);
    await stage.rows(`CREATE TRIGGER meets_two_rows BEFORE INSERT ON ping FOR EACH ROW
      WHEN (NEW.user_agent = 'meets two rows') EXECUTE FUNCTION meet_two_rows()`);
    const now = Date.now();
    await stage.ping(odd, now, undefined, 'meets two rows');
    await stage.ping(good, now);
    await stage.startScheduler();
    await eventually(async () => expect(await stage.pingCount(good)).toBe(1), { withinMs: 5_000 });
    // They may be of two shards, which are applied one before the other.
    await eventually(
      async () => {
        const letters = await stage.rows<{ reason: string; key: string }>('SELECT reason, key FROM dead_letter');
        expect(letters).toEqual([{ reason: 'refused by the database (SQLSTATE 21000)', key: odd }]);
      },
      { withinMs: 5_000 },
    );
  });

  it('skips a heartbeat whose schedule has no future match, keeps its pings and judges everybody else', async () => {
    await stage.startScheduler();
    const [good, odd] = [await stage.heartbeat(1, 0, 1), await stage.heartbeat(60, 0)];
    await stage.rows(
      `UPDATE heartbeat SET interval_secs = NULL, schedule = '0 0 31 2 *', timezone = 'UTC' WHERE id = $1`,
      [odd],
    );
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    await stage.ping(odd, pingedAt);
    await stage.ping(good, pingedAt);
    await eventually(
      async () => {
        await stage.pulse();
        expect(await stage.incidents(good)).toHaveLength(1);
      },
      { withinMs: 10_000, everyMs: 200 },
    );
    expect(await stage.pingCount(odd)).toBe(1);
    expect(await stage.incidents(odd)).toEqual([]);
  });

  it('takes a pause over that was committed before the deadline was judged, heard of or not', async () => {
    await stage.startScheduler();
    const id = await stage.heartbeat(1, 0, 1);
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    await stage.ping(id, pingedAt);
    await eventually(async () => expect(await stage.pingCount(id)).toBe(1), { withinMs: 5_000 });
    await stage.rows(`UPDATE heartbeat SET version = 2, pause_spans = $2 WHERE id = $1`, [
      id,
      JSON.stringify([{ pausedAt: Date.now(), resumedAt: null }]),
    ]);
    await eventually(
      async () => {
        await stage.pulse();
        const [row] = await stage.rows<{ status: string }>(
          'SELECT status FROM heartbeat_runtime WHERE heartbeat_id = $1',
          [id],
        );
        expect(row?.status).toBe('paused');
      },
      { withinMs: 10_000, everyMs: 200 },
    );
    expect(await stage.incidents(id)).toEqual([]);
  });

  it('arms a heartbeat anew when its definition event says the interval is shorter', async () => {
    await stage.startScheduler();
    const id = await stage.heartbeat(3_600, 0, 1);
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    await stage.ping(id, pingedAt);
    await eventually(async () => expect(await stage.pingCount(id)).toBe(1), { withinMs: 5_000 });
    await stage.rows(`UPDATE heartbeat SET version = 2, interval_secs = 1, schedule_changed_at = $2 WHERE id = $1`, [
      id,
      new Date(),
    ]);
    await stage.producer.append(HEARTBEATS_TOPIC, [
      { partition: shardOf(id, PARTITIONS), key: id, value: Buffer.from('{"type":"heartbeat.defined"}') },
    ]);
    await stage.announce(id);
    await eventually(
      async () => {
        await stage.pulse();
        expect(await stage.incidents(id)).toHaveLength(1);
      },
      { withinMs: 10_000, everyMs: 200 },
    );
    const letters = await stage.rows<{ topic: string; reason: string }>('SELECT topic, reason FROM dead_letter');
    expect(letters).toEqual([
      { topic: HEARTBEATS_TOPIC, reason: expect.stringMatching('^heartbeat.defined does not fit its schema at: id, ') },
    ]);
  });
});

function pulseOf(ingestId: string): Buffer {
  const now = Date.now();
  const data = { ingestId, epoch: 1, lowWatermark: now, acceptingSince: now, acknowledged: 0, retiring: false };
  const id = uuidv7();
  return ingestPulsed.encode({ id, occurredAt: now, producedAt: now, key: ingestId, correlationId: id, data });
}
