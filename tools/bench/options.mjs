/** The command line of the bench. */
import { parseArgs } from 'node:util';

export const MEASURES = ['start', 'memory', 'latency', 'alerts', 'sustained', 'saturation'];

export const USAGE = `Usage: npm run bench -- [option ...]

  --quick            shorter runs and fewer heartbeats: for a first look, not for figures to quote
  --only <names>     only these, separated by commas: ${MEASURES.join(', ')}
  --json <file>      also write everything measured as JSON
  --rate <n>         pings/s offered in the sustained run (5100: a little above the goal)
  --seconds <n>      length of the sustained run (30)
  --heartbeats <n>   heartbeats pinged in the sustained run (1000)
  --armed <n>        heartbeats armed while alerts are timed (10000)
  --rounds <n>       rounds of latency and saturation, in turns with the bare server (3)
  --cpu-profile <dir>  write a CPU profile of the product there when it stops
  --keep             leave the data and the product's log where they are, and say where
`;

/**
 * @typedef {{ isQuick: boolean, only: string[], json: string | undefined, rate: number, seconds: number, heartbeats: number,
 *   armed: number, rounds: number, cpuProfile: string | undefined, keep: boolean }} Options
 */

/**
 * @param {string[]} args
 * @returns {Options}
 * @throws Error with a sentence for the user
 */
export function parseOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
      rate: { type: 'string' },
      seconds: { type: 'string' },
      heartbeats: { type: 'string' },
      armed: { type: 'string' },
      rounds: { type: 'string' },
      'cpu-profile': { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const number = (name, fallback) => {
    if (values[name] === undefined) return fallback;
    if (!/^[1-9]\d{0,8}$/.test(values[name])) throw new Error(`--${name} must be a whole number above 0`);
    return Number(values[name]);
  };
  const only = values.only?.split(',') ?? MEASURES;
  const unknown = only.find((name) => !MEASURES.includes(name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there are ${MEASURES.join(', ')}`);
  const isQuick = values.quick;
  return {
    isQuick,
    only,
    json: values.json,
    rate: number('rate', 5_100),
    seconds: number('seconds', isQuick ? 8 : 30),
    heartbeats: number('heartbeats', 1_000),
    armed: number('armed', isQuick ? 2_000 : 10_000),
    rounds: number('rounds', isQuick ? 1 : 3),
    cpuProfile: values['cpu-profile'],
    keep: values.keep,
  };
}
