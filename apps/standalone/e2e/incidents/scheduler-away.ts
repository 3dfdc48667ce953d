import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiHeartbeat, eventually, Jobs } from '@flatline/test-kit';
import { type Incident, type Outcome, outcomeOf } from './outcome';
import type { Stack } from './stack';

export const STEADY_INTERVAL_MS = 4_000;
export const FLAPPING_INTERVAL_MS = 2_000;
export const FLAPPING_SILENT_MS = 10_000;
export const QUEUED_PINGS = 10_000;
const BUSY_HEARTBEATS = 100;

export interface SchedulerAway {
  /** Heartbeats whose jobs went on, one that ended, and one that was silent for a while. */
  readonly steady: readonly Outcome[];
  readonly silent: Outcome;
  readonly flapping: Outcome;
  /** Heartbeats whose pings queued up. */
  readonly busy: readonly Outcome[];
  readonly busyAcknowledged: number;
}

/**
 * Stops the scheduler, which both reads pings and judges silence, for two intervals and more. Meanwhile some jobs go on
 * pinging, 10 000 pings queue up, one job has ended for good, and one is silent for ten seconds. When the scheduler
 * starts again the deadlines whose timers it had armed are over by the clock, before it has read a single ping; so the
 * alerting side is always first.
 */
export async function stopTheScheduler(stack: Stack): Promise<SchedulerAway> {
  const create = (name: string, intervalMs: number) =>
    stack.api.create({ name, interval_secs: intervalMs / 1000, grace_secs: 0, alert_after_misses: 1 });
  const steady = [await create('goes on', STEADY_INTERVAL_MS), await create('goes on, too', STEADY_INTERVAL_MS)];
  const silent = await create('ends', STEADY_INTERVAL_MS);
  const flapping = await create('is silent for a while', FLAPPING_INTERVAL_MS);
  const busy: ApiHeartbeat[] = [];
  while (busy.length < BUSY_HEARTBEATS) busy.push(await create(`busy ${busy.length}`, STEADY_INTERVAL_MS));
  const [busyIds, busyTokens] = [busy.map(({ id }) => id), busy.map(({ token }) => token)];

  const jobs = steady.map((heartbeat) => new Jobs(heartbeat, stack.pinger, { pauseMs: 500, count: 1 }));
  await stack.pingAll([...busyTokens, silent.token, flapping.token]);
  const backAt = Date.now() + FLAPPING_SILENT_MS;
  await eventually(async () => expect(await stack.api.pings(flapping.id)).toHaveLength(1));
  await stack.services.of('deadline-scheduler').stop();

  let acknowledged = busy.length;
  const pingBusy = async (pauseMs: number): Promise<void> => {
    await stack.pingAll(busyTokens);
    acknowledged += busy.length;
    await sleep(pauseMs);
  };
  while (acknowledged < busy.length + QUEUED_PINGS) await pingBusy(0);
  while (Date.now() < backAt) await pingBusy(300);
  jobs.push(new Jobs(flapping, stack.pinger, { pauseMs: 500, count: 1 }));
  let isOver = false;
  const goingOn = (async () => {
    while (!isOver) await pingBusy(300);
  })();

  await stack.startService('deadline-scheduler');
  const storedCount = () => stack.count('SELECT count(*) FROM ping WHERE heartbeat_id = ANY($1)', [busyIds]);
  await eventually(
    async () => {
      expect(await storedCount()).toBeGreaterThanOrEqual(acknowledged - busy.length);
      expect(stack.told(silent.id)).not.toEqual([]);
    },
    { withinMs: 90_000, everyMs: 100 },
  );
  const outcomes = await Promise.all([silent, flapping, ...steady].map(({ id }) => outcomeOf(stack, id)));
  const incidents = await incidentsOf(stack, busyIds);
  isOver = true;
  await goingOn;
  await eventually(async () => expect(await storedCount()).toBeGreaterThanOrEqual(acknowledged), { withinMs: 40_000 });
  const pingedAt = await pingsOf(stack, busyIds);
  await Promise.all(jobs.map((job) => job.stop()));
  const [outcomeOfSilent, outcomeOfFlapping, ...outcomesOfSteady] = outcomes;
  await stack.forget([...steady, silent, flapping, ...busy]);
  return {
    steady: outcomesOfSteady,
    silent: outcomeOfSilent!,
    flapping: outcomeOfFlapping!,
    busy: busyIds.map((id) => ({
      pingedAt: pingedAt.get(id) ?? [],
      incidents: incidents.get(id) ?? [],
      told: stack.told(id),
    })),
    busyAcknowledged: acknowledged,
  };
}

/** Of many heartbeats at once, which the API would answer page by page. Oldest first. */
async function pingsOf(stack: Stack, heartbeatIds: readonly string[]): Promise<Map<string, number[]>> {
  const rows = await stack.rows<{ heartbeat_id: string; received_at: Date }>(
    'SELECT heartbeat_id, received_at FROM ping WHERE heartbeat_id = ANY($1) ORDER BY received_at',
    [heartbeatIds],
  );
  const pings = new Map<string, number[]>(heartbeatIds.map((id) => [id, []]));
  for (const row of rows) pings.get(row.heartbeat_id)!.push(row.received_at.getTime());
  return pings;
}

async function incidentsOf(stack: Stack, heartbeatIds: readonly string[]): Promise<Map<string, Incident[]>> {
  const rows = await stack.rows<{ heartbeat_id: string; started_at: Date; ended_at: Date | null }>(
    'SELECT heartbeat_id, started_at, ended_at FROM incident WHERE heartbeat_id = ANY($1) ORDER BY started_at',
    [heartbeatIds],
  );
  const incidents = new Map<string, Incident[]>(heartbeatIds.map((id) => [id, []]));
  for (const row of rows) {
    const endedAt = row.ended_at?.getTime() ?? null;
    incidents.get(row.heartbeat_id)!.push({ startedAt: row.started_at.getTime(), endedAt });
  }
  return incidents;
}
