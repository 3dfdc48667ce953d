import { randomOf } from '../random';
import { CLUSTER_FAULTS } from './cluster-faults';
import { EMBEDDED_FAULTS } from './embedded-faults';
import type { FaultKind, FaultPlan } from './fault';
import type { FaultBook } from './fault-book';

/** What a run is done to: `npm run cluster`, or `npm start` with nothing configured. */
export type WorldName = 'cluster' | 'embedded';

const BOOKS: Record<WorldName, FaultBook> = { cluster: CLUSTER_FAULTS, embedded: EMBEDDED_FAULTS };

export interface FaultOptions {
  readonly world: WorldName;
  readonly seed: number;
  readonly durationMs: number;
  readonly kinds: readonly FaultKind[];
}

/** Before the first fault: everybody has pinged. */
const CALM_MS = 6_000;

/** All kinds of faults that there are in a world. */
export function kindsOf(world: WorldName): readonly FaultKind[] {
  return Object.keys(BOOKS[world].weights) as FaultKind[];
}

/** The faults of a run, in the order in which they begin; some overlap. A pure function of the options. */
export function planFaults({ world, seed, durationMs, kinds }: FaultOptions): FaultPlan[] {
  const { weights, draw } = BOOKS[world];
  const random = randomOf(seed, 'faults');
  const drawn = kinds.flatMap((kind) => Array.from({ length: weights[kind] ?? 0 }, () => kind));
  const plans: FaultPlan[] = [];
  let atMs = CALM_MS;
  for (;;) {
    const plan = { ...draw(random.pick(drawn), random), atMs: Math.round(atMs) };
    if (atMs + plan.lastsMs > durationMs) return plans;
    plans.push(plan);
    atMs += plan.lastsMs * random.between(0.4, 1.2) + random.between(3_000, 16_000);
  }
}
