import { parseArgs } from 'node:util';
import { FAULT_KINDS, type FaultKind } from './faults/fault';
import { kindsOf, type WorldName } from './faults/plan-faults';

export interface ChaosOptions {
  readonly world: WorldName;
  readonly seed: number;
  /** How long there are faults; the quiet time comes after. */
  readonly minutes: number;
  readonly kinds: readonly FaultKind[];
  readonly jobs: number;
  /** Leave journal and logs although nothing was wrong. */
  readonly keep: boolean;
  /** Check this journal again, and run nothing. */
  readonly replay: string | null;
  /** Run what has found a bug once, and not a seed. */
  readonly isRegressions: boolean;
}

export const USAGE = `Usage: npm run chaos -- [option ...]

  --embedded            what npm start runs, instead of a cluster
  --seed <n>            which jobs and which faults (default: a new one, printed)
  --minutes <n>         how long there are faults (10); the start and the quiet time after them take about 3 more
  --faults <kinds>      only these, separated by commas: ${FAULT_KINDS.slice(0, 7).join(', ')},
                        ${FAULT_KINDS.slice(7).join(', ')}; with --embedded
                        not ${FAULT_KINDS.filter((kind) => !kindsOf('embedded').includes(kind)).join(', ')}
  --jobs <n>            simulated jobs (60)
  --keep                leave the journal and the logs even when nothing was wrong, and say where
  --regressions         the faults that found a bug once (regressions.ts), one run each, instead of a seed
  --replay <journal>    run nothing: check the journal of an earlier run again
`;

const DEFAULT_MINUTES = 10;
const DEFAULT_JOBS = 60;

/**
 * @param newSeed taken when none is given
 * @throws Error with a sentence for the user
 */
export function parseOptions(args: string[], newSeed: number): ChaosOptions {
  const { values } = parseArgs({
    args,
    options: {
      embedded: { type: 'boolean', default: false },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      faults: { type: 'string' },
      jobs: { type: 'string' },
      keep: { type: 'boolean', default: false },
      replay: { type: 'string' },
      regressions: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'seed' | 'minutes' | 'jobs', fallback: number, pattern: RegExp, what: string): number => {
    const text = values[name];
    if (text === undefined) return fallback;
    if (!pattern.test(text) || Number(text) === 0) throw new Error(`--${name} must be ${what}`);
    return Number(text);
  };
  const world = values.embedded ? 'embedded' : 'cluster';
  return {
    world,
    seed: number('seed', newSeed, /^\d{1,9}$/, 'a whole number above 0'),
    minutes: number('minutes', DEFAULT_MINUTES, /^\d{1,4}(\.\d{1,3})?$/, 'a number above 0'),
    jobs: number('jobs', DEFAULT_JOBS, /^\d{1,4}$/, 'a whole number above 0'),
    kinds: values.faults === undefined ? kindsOf(world) : values.faults.split(',').map((text) => kindOf(text, world)),
    keep: values.keep,
    replay: values.replay ?? null,
    isRegressions: values.regressions,
  };
}

function kindOf(text: string, world: WorldName): FaultKind {
  const kind = kindsOf(world).find((each) => each === text);
  if (kind === undefined) throw new Error(`--faults ${text}: there are ${kindsOf(world).join(', ')}`);
  return kind;
}

/** The command that does it again. */
export function commandOf({ world, seed, minutes, kinds, jobs }: ChaosOptions): string {
  const where = world === 'embedded' ? ' --embedded' : '';
  const only = kinds.length === kindsOf(world).length ? '' : ` --faults ${kinds.join(',')}`;
  const many = jobs === DEFAULT_JOBS ? '' : ` --jobs ${jobs}`;
  return `npm run chaos --${where} --seed ${seed} --minutes ${minutes}${only}${many}`;
}
