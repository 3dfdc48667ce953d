import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalWriter } from '../journal/journal-file';
import type { World } from '../world/world';
import { EMBEDDED_PROCESSES, type FaultPlan, nameOf } from './fault';
import { inject, processesOf } from './inject';

/** Makes the faults of a plan at their instants; resolves when the last is over. One at a time to each process. */
export async function makeFaults(
  plans: readonly FaultPlan[],
  world: World,
  journal: JournalWriter,
  say: (line: string) => void,
): Promise<void> {
  const begunAt = performance.now();
  /** Until when each process or server is busy with a fault. */
  const busy = new Map<string, Promise<void>>();
  await Promise.all(
    plans.map(async (plan) => {
      await sleep(Math.max(0, begunAt + plan.atMs - performance.now()));
      const places = placesOf(plan);
      const before = places.map((place) => busy.get(place) ?? Promise.resolve());
      const done = Promise.all(before).then(() => makeOne(plan, world, journal, say));
      for (const place of places) busy.set(place, done);
      await done;
    }),
  );
}

/** Whatever a fault takes hold of. */
function placesOf({ target, from }: FaultPlan): readonly string[] {
  const processes = target === 'machine' ? EMBEDDED_PROCESSES : processesOf(target);
  return [...(processes.length > 0 ? processes : [target]), ...(from ? [from] : [])];
}

async function makeOne(
  plan: FaultPlan,
  world: World,
  journal: JournalWriter,
  say: (line: string) => void,
): Promise<void> {
  const startedAt = Date.now();
  say(nameOf(plan));
  await inject(plan, world);
  const { kind, target } = plan;
  journal.write({ type: 'fault', kind, target, name: nameOf(plan), startedAt, endedAt: Date.now() });
}
