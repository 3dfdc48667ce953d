import { shardOf } from '@flatline/domain';
import { eventually } from '@flatline/test-kit';
import { v7 as uuidv7 } from 'uuid';
import { PARTITIONS, Stage } from './test-stage';

interface Letter {
  readonly key: string;
  readonly source: string;
  readonly reason: string;
  readonly payload: Buffer;
}

const patiently = { withinMs: 15_000, everyMs: 250 };

/** Ways to spoil a row of `heartbeat_runtime`, with what the dead letter says of it. */
const CONTRADICTIONS: Record<string, { readonly sql: string; readonly reason: string }> = {
  'up without anything expected': { sql: 'next_expected_at = NULL', reason: 'up without a next expected instant' },
  'up without a success': { sql: 'baseline_at = NULL', reason: 'up without a last success' },
  'down without an incident': { sql: `status = 'down'`, reason: 'down without an incident' },
  'half an incident': { sql: 'incident_started_at = now()', reason: 'half an incident' },
  'an unknown reason': {
    sql: `status = 'down', incident_started_at = now(), incident_reason = 'rumour'`,
    reason: 'an incident of an unknown reason',
  },
  'fewer misses than none': { sql: 'misses = -5', reason: 'a count that cannot be' },
  'a success that never ends': { sql: `baseline_at = 'infinity'`, reason: 'an instant without end' },
};

describe('heartbeats whose rows nobody of ours can have written', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.open();
    await stage.startScheduler();
  });
  afterEach(async () => {
    await stage.close();
  });

  const letters = (): Promise<Letter[]> => stage.rows<Letter>('SELECT key, source, reason, payload FROM dead_letter');
  const misfitOf = async (id: string): Promise<string | null | undefined> => {
    const rows = await stage.rows<{ misfit: string | null }>(
      'SELECT misfit FROM heartbeat_runtime WHERE heartbeat_id = $1',
      [id],
    );
    return rows[0]?.misfit;
  };
  const misconfigured = async (): Promise<number> => {
    const text = await stage.kernel.metrics.registry.metrics();
    return Number(/^flatline_heartbeats_misconfigured (\S+)$/m.exec(text)?.[1]);
  };
  const spoil = (id: string, sql: string): Promise<unknown> =>
    stage.rows(`UPDATE heartbeat_runtime SET ${sql} WHERE heartbeat_id = $1`, [id]);

  /**
   * Guarded by `MisfitRows.restore` and `unarmOrphans` in misfit-rows.ts (without: rows that contradict themselves are
   * judged wrongly or never), and by the fallback of `Judge.judge` (without: the one that cannot be written stops all).
   */
  it('harm nobody else, are put aside as they were, and are judged by what the history knows', async () => {
    const spoilt = new Map<string, string>();
    for (const name of Object.keys(CONTRADICTIONS)) spoilt.set(name, await stage.heartbeat(1, 0, 1));
    const [good, strayed, unwritable] = [
      await stage.heartbeat(1, 0, 1),
      await stage.heartbeat(1, 0, 1),
      await stage.heartbeat(1, 0, 1),
    ];
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    for (const id of stage.ids) await stage.ping(id, pingedAt);
    await eventually(async () => {
      for (const id of stage.ids) expect(await stage.pingCount(id)).toBe(1);
    }, patiently);
    for (const [name, id] of spoilt) await spoil(id, CONTRADICTIONS[name]!.sql);
    await spoil(strayed, `shard = ${1 - shardOf(strayed, PARTITIONS)}`);
    const pauses = (spans: string): Promise<unknown> =>
      stage.rows('UPDATE heartbeat SET version = version + 1, pause_spans = $2 WHERE id = $1', [unwritable, spans]);
    await pauses('[{"pausedAt": 1e300, "resumedAt": 1e301}]'); // instants that no column can hold
    const orphan = uuidv7();
    await stage.rows(
      `INSERT INTO heartbeat_runtime (heartbeat_id, shard, definition_version, schedule_changed_at, status, wake_at)
       VALUES ($1, 0, 1, now(), 'up', now() - interval '1 minute')`,
      [orphan],
    );

    // The watermark lags and catches up, which is when a sweep is made at once.
    await eventually(() => expect(Date.now()).toBeGreaterThan(pingedAt + 2_500), patiently);
    await stage.pulse(pingedAt + 200);
    await eventually(async () => {
      await stage.pulse();
      for (const id of [good, strayed, ...spoilt.values()]) {
        expect(await stage.incidents(id)).toEqual([{ startedAt: pingedAt + 1_000, endedAt: null, misses: 1 }]);
      }
      expect(await letters()).toHaveLength(spoilt.size + 3);
    }, patiently);

    const found = new Map((await letters()).map((letter) => [letter.key, letter]));
    for (const [name, id] of spoilt) {
      expect(found.get(id)).toMatchObject({ source: 'heartbeat_runtime', reason: CONTRADICTIONS[name]!.reason });
      expect(JSON.parse(found.get(id)!.payload.toString('utf8'))).toMatchObject({ heartbeat_id: id });
      expect(await misfitOf(id)).toBeNull();
    }
    expect(found.get(strayed)?.reason).toMatch(/not its own$/);
    expect(found.get(unwritable)?.reason).toBe('refused by the database (SQLSTATE 22P02)');
    expect(found.get(orphan)?.reason).toBe('there is no such heartbeat');
    expect(await misfitOf(unwritable)).toBe('refused by the database (SQLSTATE 22P02)');
    expect(await misconfigured()).toBe(2);

    await pauses('[]');
    await stage.announce(unwritable);
    await eventually(async () => {
      await stage.pulse();
      expect(await stage.incidents(unwritable)).toHaveLength(1);
    }, patiently);
    expect(await misfitOf(unwritable)).toBeNull();
    expect(await misconfigured()).toBe(1);
    expect(await letters()).toHaveLength(spoilt.size + 3);
  });

  /** Guarded by `unlessMisfit` in fold.ts. */
  it('are shown and counted while their schedule has no match, and judged again when it is mended', async () => {
    const [good, odd] = [await stage.heartbeat(1, 0, 1), await stage.heartbeat(60, 0, 1)];
    await stage.rows(
      `UPDATE heartbeat SET interval_secs = NULL, schedule = '0 0 31 2 *', timezone = 'UTC' WHERE id = $1`,
      [odd],
    );
    const pingedAt = Date.now();
    stage.acceptingSince = pingedAt - 10_000;
    for (const id of [odd, good]) await stage.ping(id, pingedAt);
    await eventually(async () => {
      await stage.pulse();
      expect(await stage.incidents(good)).toHaveLength(1);
      expect(await misfitOf(odd)).toMatch(/no match in the future/);
    }, patiently);
    expect(await stage.pingCount(odd)).toBe(1);
    expect(await misconfigured()).toBe(1);

    await stage.rows(
      `UPDATE heartbeat SET interval_secs = 1, schedule = NULL, version = 2, schedule_changed_at = now() WHERE id = $1`,
      [odd],
    );
    await stage.announce(odd);
    await stage.ping(odd, Date.now());
    await eventually(async () => {
      await stage.pulse();
      expect(await stage.incidents(odd)).toHaveLength(1);
    }, patiently);
    expect(await misfitOf(odd)).toBeNull();
    expect(await misconfigured()).toBe(0);
  });
});
