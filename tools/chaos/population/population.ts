import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { shardOf } from '@flatline/domain';
import type { ApiHeartbeat, ApiSession } from '@flatline/test-kit';
import type { JournalWriter } from '../journal/journal-file';
import { randomOf } from '../random';
import { SimulatedJob } from './job';
import type { JobPlan, Spell } from './plan-jobs';
import { Probe } from './probe';

/** Never down while it is looked at: whoever misses two of many pings is not dead. */
const PROBE_SCHEDULE = { interval_secs: 5, grace_secs: 30, alert_after_misses: 1 };
const TRY_AGAIN_MS = 500;

/** All jobs of a run, alive. */
export interface Population {
  /** Nobody begins anything any more; resolves when the last attempts have ended. */
  stop(): Promise<void>;
}

export interface Place {
  readonly api: ApiSession;
  readonly journal: JournalWriter;
  readonly partitions: number;
  readonly seed: number;
}

/** A job and its heartbeat. */
export interface Made {
  readonly plan: JobPlan;
  readonly heartbeat: ApiHeartbeat;
}

/** Makes the heartbeats of the plans and writes them down; none of them has been pinged yet. */
export async function makeHeartbeats(plans: readonly JobPlan[], { api, journal }: Place): Promise<Made[]> {
  const made: Made[] = [];
  for (const plan of plans) {
    const heartbeat = await api.create({
      name: plan.name,
      interval_secs: plan.intervalSecs,
      grace_secs: plan.graceSecs,
      alert_after_misses: plan.alertAfterMisses,
    });
    writeJob(journal, heartbeat, null);
    made.push({ plan, heartbeat });
  }
  return made;
}

/** One heartbeat in each shard. */
export async function makeProbes({ api, journal, partitions }: Place): Promise<ApiHeartbeat[]> {
  const byShard = new Map<number, ApiHeartbeat>();
  while (byShard.size < partitions) {
    const heartbeat = await api.create({ name: 'probe', ...PROBE_SCHEDULE });
    const shard = shardOf(heartbeat.id, partitions);
    if (byShard.has(shard)) await api.call('DELETE', `/heartbeats/${heartbeat.id}`);
    else {
      byShard.set(shard, heartbeat);
      writeJob(journal, heartbeat, shard);
    }
  }
  return [...byShard.values()];
}

function writeJob(journal: JournalWriter, heartbeat: ApiHeartbeat, probeOf: number | null): void {
  journal.write({
    ...{ type: 'job', id: heartbeat.id, name: heartbeat.name, probeOf },
    intervalMs: heartbeat.interval_secs * 1000,
    graceMs: heartbeat.grace_secs * 1000,
    alertAfterMisses: heartbeat.alert_after_misses,
  });
}

/** Everybody begins to live. */
export function startPopulation(made: readonly Made[], probes: readonly ApiHeartbeat[], place: Place): Population {
  const startedAt = Date.now();
  const target = ({ id, token }: ApiHeartbeat) => ({
    id,
    pingUrl: `${place.api.baseUrl}/v1/heartbeats/${token}/ping`,
  });
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal); // every person who waits listens
  const jobs = made.map(({ plan, heartbeat }) => {
    const random = randomOf(place.seed, plan.name);
    const job = new SimulatedJob(plan, target(heartbeat), place.journal, random, startedAt);
    const people = plan.pauses.map((pause) =>
      pauseAsPlanned({ pause, startedAt, id: heartbeat.id, job }, place, stopping.signal),
    );
    return { job, people };
  });
  const probing = probes.map((probe) => new Probe(target(probe), place.journal));
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all([
        ...probing.map((probe) => probe.stop()),
        ...jobs.flatMap(({ job, people }) => [job.stop(), ...people]),
      ]);
    },
  };
}

interface PlannedPause {
  readonly pause: Spell;
  readonly startedAt: number;
  readonly id: string;
  readonly job: SimulatedJob;
}

/** A person who pauses a heartbeat that has been pinged, and resumes it. */
async function pauseAsPlanned(
  { pause, startedAt, id, job }: PlannedPause,
  { api, journal }: Place,
  stopping: AbortSignal,
): Promise<void> {
  const waitUntil = (at: number): Promise<void> =>
    sleep(Math.max(0, at - Date.now()), undefined, { signal: stopping }).catch(() => undefined);
  for (const [action, atMs] of [
    ['pause', pause.fromMs],
    ['resume', pause.untilMs],
  ] as const) {
    if (atMs === Infinity) return;
    await waitUntil(startedAt + atMs);
    await Promise.race([job.started, new Promise((resolve) => stopping.addEventListener('abort', resolve))]);
    const sentAt = Date.now();
    for (;;) {
      if (stopping.aborted) return;
      const answer = await api.call('POST', `/heartbeats/${id}/${action}`).catch(() => null);
      if (answer?.status === 200) break;
      await waitUntil(Date.now() + TRY_AGAIN_MS);
    }
    journal.write({ type: 'control', id, action, sentAt, endedAt: Date.now() });
  }
}
