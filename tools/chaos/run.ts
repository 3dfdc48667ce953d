import { setTimeout as sleep } from 'node:timers/promises';
import { makeFaults } from './faults/make-faults';
import { THROUGH_AGAIN_MS } from './checker/check';
import { type FaultPlan, isOnTheWayIn } from './faults/fault';
import type { WorldName } from './faults/plan-faults';
import type { JournalWriter } from './journal/journal-file';
import { type Made, makeHeartbeats, makeProbes, startPopulation } from './population/population';
import type { JobPlan } from './population/plan-jobs';
import { countPending, readLag, watchLag, writeLeftovers, writeObservations } from './world/observe';
import { watchOwnStalls } from './world/own-stalls';
import { startWorld, type World } from './world/world';

export interface RunOptions {
  readonly world: WorldName;
  readonly seed: number;
  /** How it is done again. */
  readonly command: string;
  readonly jobs: readonly JobPlan[];
  readonly faults: readonly FaultPlan[];
  /** Gets data and logs. */
  readonly folder: string;
  readonly journal: JournalWriter;
  readonly say: (line: string) => void;
}

/** A sweep comes every 30 s, and a machine may be slow. */
const TOLD_WITHIN_MS = 60_000;
/** Whoever was refused at last is tried again within minutes. */
const DELIVERED_WITHIN_MS = 240_000;
const SHORTEST_QUIET_MS = 12_000;
const MARGIN_MS = 3_000;
const CAUGHT_UP_MS = 1_500;
const LOOK_EVERY_MS = 500;

/**
 * One run, from nothing to a complete journal:
 *
 * 1. a cluster or one process, with servers of its own, and the heartbeats of all jobs
 * 2. the jobs live, the faults come
 * 3. quiet: the faults are over, the jobs live on, until everything due has become known
 * 4. the jobs stop; what Flatline says of them is written down
 */
export async function runChaos(options: RunOptions): Promise<void> {
  const { journal, say, seed } = options;
  const world = await startWorld({ name: options.world, seed, folder: options.folder, journal }); // 1
  try {
    const { api, partitions, leaseMs } = world;
    const receivers = world.receivers.map(({ name, isFlaky }) => ({ name, isFlaky }));
    journal.write({ type: 'run', at: Date.now(), seed, command: options.command, leaseMs, receivers });
    const place = { api, journal, partitions, seed };
    const made = await makeHeartbeats(options.jobs, place);
    const probes = await makeProbes(place);

    const lag = watchLag(world, journal); // 2
    const stalls = watchOwnStalls(journal);
    const population = startPopulation(made, probes, place);
    say(`${made.length} jobs, ${options.faults.length} faults`);
    await makeFaults(options.faults, world, journal, say);

    const startedAt = Date.now(); // 3
    for (const receiver of world.receivers) receiver.calm();
    const quietMs = quietFor(options, leaseMs);
    say(`quiet for at least ${Math.round(quietMs / 1000)} s`);
    await sleep(quietMs);
    await untilTold(world, made);
    await untilDelivered(world);
    await population.stop(); // 4
    stalls.stop();
    journal.write({ type: 'quiet', startedAt, endedAt: Date.now() });
    await untilCaughtUp(world);
    await lag.stop();
    await writeObservations(
      world,
      [...made.map(({ heartbeat }) => heartbeat.id), ...probes.map(({ id }) => id)],
      journal,
    );
    await writeLeftovers(world, journal);
  } finally {
    await world.stop();
  }
}

/**
 * How long to wait after the last fault until whatever died must be down. A fault on the way in may have made the period
 * it fell into unknown; then it takes as many periods more as it takes misses. And nobody may be down who lives.
 */
function quietFor({ jobs, faults }: RunOptions, leaseMs: number): number {
  const longestSecs = Math.max(
    ...jobs.map(({ intervalSecs, graceSecs, alertAfterMisses }) => (alertAfterMisses + 1) * intervalSecs + graceSecs),
  );
  const endOf = ({ atMs, lastsMs }: FaultPlan): number => atMs + lastsMs;
  const endedMs = Math.max(0, ...faults.map(endOf));
  const throughMs = Math.max(0, ...faults.filter(({ target }) => isOnTheWayIn(target)).map(endOf)) + THROUGH_AGAIN_MS;
  return Math.max(SHORTEST_QUIET_MS, throughMs + leaseMs + longestSecs * 1000 + MARGIN_MS - endedMs);
}

/** Waits until whoever died for good has been told of. What does not come in time does not come: the checker says so. */
async function untilTold({ receivers }: World, made: readonly Made[]): Promise<void> {
  const dead = made.filter(({ plan }) => plan.behaviour === 'dies').map(({ heartbeat }) => heartbeat.id);
  const giveUpAt = Date.now() + TOLD_WITHIN_MS;
  const isToldOf = (id: string): boolean => receivers.every((receiver) => receiver.isDown(id));
  while (!dead.every(isToldOf) && Date.now() < giveUpAt) await sleep(LOOK_EVERY_MS);
}

/** What is on its way now need not be there when jobs at their limit go up and down all the time: a moment will do. */
async function untilDelivered({ database }: World): Promise<void> {
  const giveUpAt = Date.now() + DELIVERED_WITHIN_MS;
  while ((await countPending(database).catch(() => 1)) > 0 && Date.now() < giveUpAt) await sleep(LOOK_EVERY_MS);
}

/** Pings that were answered last are read, too. */
async function untilCaughtUp({ database }: World): Promise<void> {
  const stoppedAt = Date.now();
  const giveUpAt = stoppedAt + 30_000;
  while (Date.now() < giveUpAt) {
    await sleep(CAUGHT_UP_MS);
    if (((await readLag(database)) ?? Infinity) < CAUGHT_UP_MS) return;
  }
}
