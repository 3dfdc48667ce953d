import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, Jobs } from '@flatline/test-kit';
import { type Outcome, outcomeOf } from './outcome';
import type { Stack } from './stack';

/** A little more than a lease: from there on an absence of ours is a blackout. */
const AWAY_MS = 11_500;
/** Both end within that time. Jobs that go on have some time to spare, because machines are noisy. */
const STEADY_INTERVAL_SECS = 8;
const ENDED_INTERVAL_SECS = 4;

export interface IngestAway {
  /** Between which instants nobody could reach us. */
  readonly from: number;
  readonly to: number;
  /** Jobs that tried all the time, and one that had pinged for the last time just before. */
  readonly steady: readonly Outcome[];
  readonly ended: Outcome;
  /** The deadlines that are recorded as unknown, of each of them in this order; epoch ms. */
  readonly unknownAt: readonly (readonly number[])[];
}

/** Kills every ingest and starts it again when more than a lease is over. */
export async function takeTheIngestAway(stack: Stack): Promise<IngestAway> {
  const create = (name: string, intervalSecs: number) =>
    stack.api.create({ name, interval_secs: intervalSecs, grace_secs: 0, alert_after_misses: 1 });
  const steady = await Promise.all(['one', 'two', 'three'].map((name) => create(name, STEADY_INTERVAL_SECS)));
  const ended = await create('ends', ENDED_INTERVAL_SECS);
  const jobs = steady.map((heartbeat) => new Jobs(heartbeat, stack.pinger, { pauseMs: 500, count: 1 }));
  await stack.pingAll([ended.token]);
  // Nothing is expected of a job before its first ping.
  for (const { id } of [...steady, ended]) {
    await eventually(async () => expect(await stack.api.pings(id)).not.toEqual([]));
  }
  const from = Date.now();
  await stack.kill('ingest');
  await sleep(AWAY_MS);
  await stack.startService('ingest');
  const to = Date.now();

  const ids = [...steady, ended].map(({ id }) => id);
  await eventually(() => expect(stack.told(ended.id)).not.toEqual([]), { withinMs: 40_000 });
  const unknowns = await stack.rows<{ heartbeat_id: string; occurred_at: Date }>(
    `SELECT heartbeat_id, occurred_at FROM transition WHERE kind = 'unknown' AND heartbeat_id = ANY($1)`,
    [ids],
  );
  const outcomes = await Promise.all([ended, ...steady].map(({ id }) => outcomeOf(stack, id)));
  await Promise.all(jobs.map((job) => job.stop()));
  await stack.forget([...steady, ended]);
  const [outcomeOfEnded, ...outcomesOfSteady] = outcomes;
  return {
    from,
    to,
    steady: outcomesOfSteady,
    ended: outcomeOfEnded!,
    unknownAt: ids.map((id) =>
      unknowns.filter((each) => each.heartbeat_id === id).map(({ occurred_at }) => occurred_at.getTime()),
    ),
  };
}
