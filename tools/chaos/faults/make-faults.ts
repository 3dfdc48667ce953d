import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalWriter } from '../journal/journal-file';
import type { World } from '../world/world';
import { inject, processesOf } from './inject';
import { type FaultPlan, nameOf } from './plan-faults';

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
      const names = processesOf(plan.target);
      const places = [...(names.length > 0 ? names : [plan.target]), ...(plan.from ? [plan.from] : [])];
      const before = places.map((place) => busy.get(place) ?? Promise.resolve());
      const done = Promise.all(before).then(() => makeOne(plan, world, journal, say));
      for (const place of places) busy.set(place, done);
      await done;
    }),
  );
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
