import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalWriter } from '../journal/journal-file';
import type { Database } from './installation';
import type { World } from './world';

const LOOK_EVERY_MS = 250;
const TRIES = 20;
const TRY_AGAIN_MS = 1_000;

/** In all shards that pings go to; one without a watermark was never read. By Postgres' clock, which no fault touches. */
const LAG = `SELECT max(extract(epoch FROM clock_timestamp() - watermark))::float8 * 1000 AS lag
  FROM consumer_offset WHERE watermark IS NOT NULL`;

/** Looks at the watermark until stopped. */
export function watchLag({ database }: Pick<World, 'database'>, journal: JournalWriter): { stop(): Promise<void> } {
  let isStopping = false;
  const done = (async () => {
    while (!isStopping) {
      const lagMs = await readLag(database);
      journal.write({ type: 'lag', at: Date.now(), lagMs });
      await sleep(LOOK_EVERY_MS);
    }
  })();
  return {
    stop: async () => {
      isStopping = true;
      await done;
    },
  };
}

/** Ms; null when Postgres does not say. */
export async function readLag(database: Database): Promise<number | null> {
  try {
    const { rows } = await database.query<{ lag: number | null }>(LAG);
    return rows[0]?.lag ?? null;
  } catch {
    return null;
  }
}

/** What Flatline says of every heartbeat in the end, over its API. */
export async function writeObservations({ api }: World, ids: readonly string[], journal: JournalWriter): Promise<void> {
  for (const id of ids) {
    const pings = await again(() => api.pings(id));
    const incidents = await again(() => api.incidents(id));
    journal.write({
      type: 'history',
      id,
      pings: pings.map((ping) => ({ id: ping.id, at: Date.parse(ping.pinged_at) })),
    });
    const told = incidents.map((incident) => ({
      id: incident.id,
      startedAt: Date.parse(incident.started_at),
      endedAt: incident.ended_at === null ? null : Date.parse(incident.ended_at),
      reason: incident.reason,
      isRaisedInError: incident.raised_in_error,
    }));
    journal.write({ type: 'incidents', id, incidents: told.reverse() });
  }
}

/**
 * What was put aside, and what waits for longer than it takes to do it. Jobs that have been stopped fall silent, so there is
 * always something that has only just begun to wait.
 */
const LEFTOVERS: Record<string, string> = {
  dead_letter: `SELECT source || ': ' || reason AS what FROM dead_letter`,
  outbox: `SELECT topic || ' ' || key || ' since ' || created_at AS what FROM outbox
    WHERE created_at < clock_timestamp() - interval '20 s'`,
  notification: `SELECT status || ' ' || transition || ' of ' || heartbeat_id || ', attempts ' || attempts AS what
    FROM notification WHERE status = 'dead'
      OR status IN ('pending', 'sending') AND created_at < clock_timestamp() - interval '20 s'`,
};

/** How many deliveries and events are still on their way. */
export async function countPending(database: Database): Promise<number> {
  const { rows } = await database.query<{ pending: number }>(
    `SELECT (SELECT count(*) FROM outbox)::int
       + (SELECT count(*) FROM notification WHERE status IN ('pending', 'sending'))::int AS pending`,
  );
  return rows[0]!.pending;
}

export async function writeLeftovers({ database }: World, journal: JournalWriter): Promise<void> {
  for (const [table, query] of Object.entries(LEFTOVERS)) {
    const { rows } = await again(() => database.query<{ what: string }>(query));
    if (rows[0]) journal.write({ type: 'leftover', table, rows: rows.length, example: rows[0].what });
  }
}

/** The faults are over, but a connection may still be one of before. */
async function again<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (tries === TRIES) throw error;
      await sleep(TRY_AGAIN_MS);
    }
  }
}
