import { type Random, randomOf } from '../random';

/** When a job runs: from its start up to `until`, or from one instant to another. Ms since the start of the run. */
export interface Spell {
  readonly fromMs: number;
  /** Infinity: it never stops. */
  readonly untilMs: number;
}

/** One simulated job, as it is meant to behave. */
export interface JobPlan {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly intervalSecs: number;
  readonly graceSecs: number;
  readonly alertAfterMisses: number;
  /** When it is alive; outside of them it is dead and silent. */
  readonly spells: readonly Spell[];
  /** When a person pauses it and resumes it. */
  readonly pauses: readonly Spell[];
}

/**
 * - `steady`: lives, with time enough between a ping that was due and the alarm to try again for ten seconds
 * - `strict`: lives, and has hardly any time to try again
 * - `edge`: pings at the very instant of its deadline, a few milliseconds before or after
 * - `dies`: falls silent for good
 * - `returns`: falls silent long enough to be told of, and comes back; some do it again and again
 * - `paused`: a person pauses it, and most resume it; it pings on, or not
 * - `new`: never pings
 */
export const BEHAVIOURS = ['steady', 'strict', 'edge', 'dies', 'returns', 'paused', 'new'] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

/** How many of 20 jobs. */
const SHARES: Record<Behaviour, number> = { steady: 4, strict: 3, edge: 3, dies: 4, returns: 3, paused: 2, new: 1 };

/** Time that a client that tries again needs at most, and some more. */
const RETRIES_SECS = 14;

export interface PopulationOptions {
  readonly seed: number;
  readonly jobs: number;
  /** While there are faults. */
  readonly durationMs: number;
}

/** The jobs of a run: a pure function of the options. */
export function planJobs({ seed, jobs, durationMs }: PopulationOptions): JobPlan[] {
  const order = BEHAVIOURS.flatMap((behaviour) => Array.from({ length: SHARES[behaviour] }, () => behaviour));
  // No interval may be so long that a run has not seen a few of them.
  const longestSecs = Math.max(3, Math.min(60, Math.floor(durationMs / 12_000)));
  return Array.from({ length: jobs }, (_, index) => {
    // 7 and 20 have no common divisor: a few jobs are a bit of everything.
    const behaviour = order[(index * 7) % order.length]!;
    const random = randomOf(seed, `job ${index}`);
    return { ...planOf(behaviour, { random, longestSecs, durationMs }), name: `${behaviour} ${index}`, behaviour };
  });
}

interface Planning {
  readonly random: Random;
  readonly longestSecs: number;
  readonly durationMs: number;
}

const ALWAYS: readonly Spell[] = [{ fromMs: 0, untilMs: Infinity }];

function planOf(behaviour: Behaviour, planning: Planning): Omit<JobPlan, 'name' | 'behaviour'> {
  const { random, durationMs } = planning;
  const somewhere = (from: number, to: number): number => durationMs * random.between(from, to);
  switch (behaviour) {
    case 'steady':
      return { ...lenient(planning), spells: ALWAYS, pauses: [] };
    case 'strict':
      return { ...strict(planning), spells: ALWAYS, pauses: [] };
    case 'edge':
      return {
        ...{ intervalSecs: random.whole(3, 9), graceSecs: random.whole(1, 2), alertAfterMisses: 1 },
        ...{ spells: ALWAYS, pauses: [] },
      };
    case 'dies':
      return { ...either(planning), spells: [{ fromMs: 0, untilMs: somewhere(0.05, 0.95) }], pauses: [] };
    case 'returns': {
      const schedule = random.chance(0.5) ? strict(planning) : either(planning);
      return { ...schedule, spells: spellsWithDeaths(planning, schedule), pauses: [] };
    }
    case 'paused': {
      const fromMs = somewhere(0.1, 0.5);
      const untilMs = random.chance(0.75) ? fromMs + somewhere(0.1, 0.4) : Infinity;
      const spells = random.chance(0.5) ? ALWAYS : [{ fromMs: 0, untilMs: fromMs + somewhere(0, 0.4) }];
      return { ...either(planning), spells, pauses: [{ fromMs, untilMs }] };
    }
    case 'new':
      return { ...either(planning), spells: [], pauses: [] };
  }
}

type Schedule = Pick<JobPlan, 'intervalSecs' | 'graceSecs' | 'alertAfterMisses'>;

function either(planning: Planning): Schedule {
  return planning.random.chance(0.5) ? lenient(planning) : strict(planning);
}

/** From a ping that is due to the alarm lies the time that a client tries, and more. */
function lenient({ random, longestSecs }: Planning): Schedule {
  const alertAfterMisses = random.whole(1, 3);
  const intervalSecs = random.whole(3, longestSecs);
  const lacking = RETRIES_SECS - (alertAfterMisses - 1) * intervalSecs;
  return { intervalSecs, alertAfterMisses, graceSecs: Math.max(1, lacking) + random.whole(0, 3) };
}

function strict({ random }: Planning): Schedule {
  return { intervalSecs: random.whole(2, 5), graceSecs: random.whole(1, 3), alertAfterMisses: random.whole(1, 2) };
}

/** Alive, dead for longer than it takes to be told of, alive again, and so on until the end. */
function spellsWithDeaths({ random, durationMs }: Planning, schedule: Schedule): Spell[] {
  const alarmMs = (schedule.alertAfterMisses * schedule.intervalSecs + schedule.graceSecs) * 1000;
  const spells: Spell[] = [];
  let fromMs = 0;
  for (let deaths = random.whole(1, 3); deaths > 0; deaths -= 1) {
    const untilMs = fromMs + durationMs * random.between(0.1, 0.3);
    if (untilMs > durationMs) break;
    spells.push({ fromMs, untilMs });
    fromMs = untilMs + alarmMs + 1000 * random.between(2, 20);
  }
  return [...spells, { fromMs, untilMs: Infinity }];
}
