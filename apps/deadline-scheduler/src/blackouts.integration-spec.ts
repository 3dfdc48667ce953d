import { shardOf } from '@flatline/domain';
import {
  absenceRecorded,
  ABSENCES_TOPIC,
  DEADLINE_SCHEDULER_GROUP,
  eventParser,
  incidentOpened,
  INCIDENTS_TOPIC,
  PINGS_TOPIC,
} from '@flatline/events';
import { eventually } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { PARTITIONS, Stage } from './test-stage';

const parse = eventParser(absenceRecorded, incidentOpened);
const SECOND = 1_000;
const AWAY_MS = 180 * SECOND;

describe('the history of missed and unknown deadlines', () => {
  /** Guarded by `PingPartitions.maintain`. */
  it('goes with the pings of its time, and incidents stay', async () => {
    const stage = await Stage.open(undefined, { PING_RETENTION_DAYS: '2' });
    try {
      const id = uuidv7();
      await stage.rows(
        `INSERT INTO transition (id, heartbeat_id, kind, occurred_at, recorded_at)
         SELECT gen_random_uuid(), $1, kind, now() - days * interval '1 day', now()
         FROM unnest(ARRAY['missed', 'unknown', 'down', 'recovered']) AS kind, unnest(ARRAY[1, 4]) AS days`,
        [id],
      );
      // As after days in which no scheduler ran: what it then reads has no partition of its own.
      await stage.rows(
        `INSERT INTO ping (heartbeat_id, received_at, id, kind)
         SELECT $1, now() - days * interval '1 day', gen_random_uuid(), 'success' FROM unnest(ARRAY[1, 4]) AS days`,
        [id],
      );
      await stage.startScheduler();
      expect(await stage.pingCount(id)).toBe(1);
      const left = await stage.rows<{ kind: string; isOld: boolean }>(
        `SELECT kind, occurred_at < now() - interval '2 days' AS "isOld" FROM transition ORDER BY 2, 1`,
      );
      expect(left.filter(({ isOld }) => isOld).map(({ kind }) => kind)).toEqual(['down', 'recovered']);
      expect(left).toHaveLength(6);
    } finally {
      await stage.close();
    }
  });
});

describe('11. all ingests away for three minutes', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.open();
  });
  afterEach(async () => {
    await stage.close();
  });

  /** The last ingest retired at an instant, or died, and everything up to there was applied. */
  async function lastHeardOf(at: number, { died = false } = {}): Promise<void> {
    const { dataSource, log } = stage.infrastructure;
    const silent = { epoch: 1, lowWatermark: at, highestSequence: 0, silence: null };
    const progress = {
      ingests: died ? { gone: silent } : {},
      spells: [{ ingestId: 'gone', from: at - 3_600_000, to: at }],
    };
    await dataSource.query(
      `INSERT INTO consumer_offset (consumer_group, topic, partition, log_identity, next_offset, watermark, ingests, updated_at)
       SELECT $1, $2, shard, $3, 0, $4, $5, now() FROM generate_series(0, $6::int - 1) AS shard`,
      [DEADLINE_SCHEDULER_GROUP, PINGS_TOPIC, log.identity(), new Date(at), JSON.stringify(progress), PARTITIONS],
    );
  }

  async function told(topic: string): Promise<ReturnType<typeof parse>[]> {
    const { log } = stage.infrastructure;
    const events: ReturnType<typeof parse>[] = [];
    const subscription = await log.consume({
      topic,
      group: `test-${uuidv7()}`,
      maxRecords: 100,
      handler: {
        position: async () => 0,
        handle: async (_partition, records) => void events.push(...records.map(({ value }) => parse(value))),
      },
    });
    const ends = await Promise.all([...Array(PARTITIONS).keys()].map((partition) => log.bounds(topic, partition)));
    await eventually(() => expect(events).toHaveLength(ends.reduce((sum, { end }) => sum + end, 0)));
    await subscription.close();
    return events;
  }

  const lines = (heartbeatId: string) =>
    stage.rows<{ kind: string; occurred_at: Date; blackout_started_at: Date | null; blackout_ended_at: Date | null }>(
      `SELECT kind, occurred_at, blackout_started_at, blackout_ended_at FROM transition
       WHERE heartbeat_id = $1 ORDER BY occurred_at, kind`,
      [heartbeatId],
    );
  const statusOf = async (heartbeatId: string) =>
    (await stage.rows('SELECT status, unknowns FROM heartbeat_runtime WHERE heartbeat_id = $1', [heartbeatId]))[0];

  /**
   * Guarded by (n) and (q) of `applyWatermark` in libs/domain/src/deadline-rule.ts, which the absence found by step 7 of
   * `applyPulse` in libs/domain/src/watermark.ts brings about.
   */
  it('make every deadline of that time unknown and tell nobody; dead jobs are found afterwards', async () => {
    const backAt = Date.now();
    const goneAt = backAt - AWAY_MS;
    const blackout = { blackout_started_at: new Date(goneAt), blackout_ended_at: new Date(backAt) };
    await lastHeardOf(goneAt);
    const retrying = await stage.heartbeat(60, 10);
    const silent = await stage.heartbeat(60, 10);
    const hourly = await stage.heartbeat(3_600, 300);
    const dead = await stage.heartbeat(1, 0);
    const unheard = await stage.heartbeat(60, 10);
    for (const id of [retrying, silent, hourly]) await stage.ping(id, goneAt - 30 * SECOND);
    await stage.ping(dead, goneAt - 500);
    // Its period before this one was touched by a blackout, too.
    await stage.rows('INSERT INTO absence VALUES ($1, $2, $3)', [
      shardOf(unheard, PARTITIONS),
      new Date(goneAt - 135 * SECOND),
      new Date(goneAt - 115 * SECOND),
    ]);
    await stage.ping(unheard, goneAt - 185 * SECOND);

    await stage.startScheduler();
    await stage.pulse(backAt + 1, { acceptingSince: backAt });
    await stage.ping(retrying, backAt + 300);
    await eventually(
      async () => {
        await stage.pulse();
        expect(await stage.incidents(dead)).toMatchObject([{ endedAt: null, misses: 2 }]);
        expect(await stage.incidents(unheard)).toHaveLength(1);
        expect(await statusOf(silent)).toEqual({ status: 'up', unknowns: 1 });
      },
      { withinMs: 20_000, everyMs: 200 },
    );

    const unknown = { kind: 'unknown', occurred_at: new Date(goneAt + 40 * SECOND), ...blackout };
    expect(await lines(retrying)).toEqual([unknown]);
    expect(await lines(silent)).toEqual([unknown]);
    expect(await lines(hourly)).toEqual([]);
    expect(await statusOf(retrying)).toEqual({ status: 'up', unknowns: 0 });
    // The periods after the blackout are judged as usual.
    const [inside, missed, down] = await lines(dead);
    expect(inside).toEqual({ kind: 'unknown', occurred_at: new Date(goneAt + 500), ...blackout });
    expect([missed?.kind, down?.kind]).toEqual(['missed', 'down']);
    expect(missed?.occurred_at.getTime()).toBeGreaterThan(backAt);

    const incidents = await eventually(async () => {
      const events = await told(INCIDENTS_TOPIC);
      expect(events).toHaveLength(2);
      return events;
    });
    const data = incidents.find(({ key }) => key === unheard)?.data;
    expect(data).toMatchObject({
      heartbeat: { id: unheard, lastPingedAt: goneAt - 185 * SECOND },
      incident: { reason: 'unverified', misses: 0, blackout: { startedAt: goneAt, endedAt: backAt } },
    });
    expect((await lines(unheard)).map(({ kind }) => kind)).toEqual(['unknown', 'unknown', 'down']);

    // One absence for each shard, told once and counted once.
    expect(
      await stage.rows('SELECT 1 FROM absence WHERE started_at = $1 AND ended_at = $2', [
        new Date(goneAt),
        new Date(backAt),
      ]),
    ).toHaveLength(PARTITIONS);
    await eventually(async () => {
      const absences = (await told(ABSENCES_TOPIC)).map((event) => event.data);
      const expected = [0, 1].map((shard) => ({ shard, kind: 'blackout', startedAt: goneAt, endedAt: backAt }));
      expect(absences).toHaveLength(PARTITIONS);
      expect(absences).toEqual(expect.arrayContaining(expected));
    });
    const metrics = await stage.kernel.metrics.registry.metrics();
    expect(metrics).toContain(`flatline_absences_total{kind="blackout"} ${PARTITIONS}`);
    expect(metrics).toContain(`flatline_absence_seconds_total{kind="blackout"} ${(PARTITIONS * AWAY_MS) / SECOND}`);
  });

  /** Guarded by `PingBatchHandler.position` in ping-batch-handler.ts, which reads what is not over yet, whoever wrote it. */
  it('are told and counted when an operator wrote them down with the adoption of a log', async () => {
    const adoptedAt = Date.now() - SECOND;
    const lastReadAt = adoptedAt - AWAY_MS;
    await lastHeardOf(lastReadAt);
    await stage.rows('UPDATE consumer_offset SET ingests = $1', [{ ingests: {}, spells: [], adoptedAt }]);
    for (const shard of [0, 1]) {
      await stage.rows('INSERT INTO absence VALUES ($1, $2, $3)', [shard, new Date(lastReadAt), new Date(adoptedAt)]);
    }
    await stage.startScheduler();
    // The ingest took pings all the time: nothing but what was written down says that this time is unknown.
    await eventually(
      async () => {
        await stage.pulse(undefined, { acceptingSince: lastReadAt - SECOND });
        const absences = (await told(ABSENCES_TOPIC)).map((event) => event.data);
        const expected = { kind: 'blackout', startedAt: lastReadAt, endedAt: adoptedAt };
        expect(absences).toEqual(expect.arrayContaining([0, 1].map((shard) => ({ shard, ...expected }))));
        expect(absences).toHaveLength(PARTITIONS);
      },
      { withinMs: 15_000, everyMs: 250 },
    );
    const metrics = await stage.kernel.metrics.registry.metrics();
    expect(metrics).toContain(`flatline_absences_total{kind="blackout"} ${PARTITIONS}`);
  });

  /** Guarded by `presumedAbsences` in libs/domain/src/watermark.ts: nothing is certain until that lease is over. */
  it('alarm nobody about a job that is back before the lease of the last ingest, which died, is over', async () => {
    const backAt = Date.now();
    const goneAt = backAt - AWAY_MS;
    await lastHeardOf(goneAt, { died: true });
    const id = await stage.heartbeat(60, 10, 1);
    await stage.ping(id, goneAt - 30 * SECOND);
    await stage.startScheduler();
    await stage.pulse(backAt + 1, { acceptingSince: backAt });
    await stage.ping(id, backAt + 300);
    await eventually(async () => expect(await stage.pingCount(id)).toBe(2));
    expect((await lines(id)).map(({ kind }) => kind)).toEqual(['unknown']);
    expect(await stage.incidents(id)).toEqual([]);
  });

  /** Guarded by `withAbsences` and `effectiveDeadline` in libs/domain/src/absences.ts. */
  it('while it goes on, in pieces that follow one another, it is one blackout and one row', async () => {
    await stage.startScheduler();
    const id = await stage.heartbeat(1, 0);
    const pingedAt = Date.now();
    await stage.pulse(pingedAt, { acceptingSince: pingedAt - 10_000 });
    await stage.ping(id, pingedAt);
    // Every pulse says that pings are turned away up to now: an absence that grows, longer than a lease of 2 s.
    let turnedAwayUntil = pingedAt;
    while (turnedAwayUntil < pingedAt + 3_000) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      turnedAwayUntil = Date.now();
      await stage.pulse(turnedAwayUntil, { acceptingSince: turnedAwayUntil });
    }
    expect(await lines(id)).toEqual([]); // nothing is judged while those who come back have their lease
    await eventually(
      async () => {
        await stage.pulse();
        expect((await lines(id)).map(({ kind }) => kind)).toContain('unknown');
        expect(await stage.rows('SELECT shard FROM absence ORDER BY shard')).toEqual([{ shard: 0 }, { shard: 1 }]);
      },
      { withinMs: 10_000, everyMs: 200 },
    );
    const [unknown] = await lines(id);
    expect(unknown?.blackout_ended_at?.getTime()).toBe(turnedAwayUntil);
    expect((await lines(id)).filter(({ kind }) => kind === 'unknown')).toHaveLength(1);
  });
});
