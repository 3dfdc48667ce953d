/** The command line of the bench. */
import { parseArgs } from 'node:util';

/** In the order in which they run. */
const EVERYWHERE = ['start', 'memory', 'latency', 'alerts', 'sustained', 'saturation'];
const CLUSTER_ONLY = ['recovery', 'armed', 'flushall', 'scale'];
export const MEASURES = [...EVERYWHERE, ...CLUSTER_ONLY];

export const USAGE = `Usage: npm run bench -- [option ...]

  --cluster          measure a cluster on this machine (npm run cluster) and not the embedded default; Linux only
  --quick            shorter runs and fewer heartbeats: for a first look, not for figures to quote
  --only <names>     only these, separated by commas: ${EVERYWHERE.join(', ')};
                     with --cluster also ${CLUSTER_ONLY.join(', ')}
  --json <file>      also write everything measured as JSON
  --rate <n>         pings/s offered in the sustained run: a little above the goal (5100; --cluster 10200)
  --seconds <n>      length of the sustained run (30)
  --heartbeats <n>   heartbeats pinged in the sustained run (1000; --cluster 2000)
  --armed <n>        heartbeats armed while alerts are timed (10000)
  --rounds <n>       rounds of latency and saturation, in turns with the bare server (3)
  --cpu-profile <dir>  write CPU profiles there: of the whole run when the product stops; with --cluster of each part
                     of --profile, while pings are measured
  --keep             leave the data and the product's logs where they are, and say where
  --env <NAME=value> set a variable of the product; may be given several times

with --cluster:
  --processes <n>    processes of each service (2)
  --many <n>         heartbeats armed in "armed" (100000)
  --lost <n>         heartbeats whose timers FLUSHALL takes in "flushall" (1000000)
  --kill <parts>     what "recovery" kills, separated by commas (everything, one after the other)
  --profile <parts>  what --cpu-profile looks at, separated by commas (ingest,deadline-scheduler)
`;

/**
 * @typedef {{ isCluster: boolean, isQuick: boolean, only: string[], json: string | undefined, rate: number, seconds: number,
 *   heartbeats: number, armed: number, rounds: number, cpuProfile: string | undefined, keep: boolean,
 *   env: Record<string, string>, processes: number, many: number, lost: number, kill: string[] | undefined,
 *   profile: string[] }} Options
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
      cluster: { type: 'boolean', default: false },
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
      env: { type: 'string', multiple: true, default: [] },
      processes: { type: 'string' },
      many: { type: 'string' },
      lost: { type: 'string' },
      kill: { type: 'string' },
      profile: { type: 'string' },
    },
  });
  const { cluster: isCluster, quick: isQuick } = values;
  const number = (name, fallback) => {
    if (values[name] === undefined) return fallback;
    if (!/^[1-9]\d{0,8}$/.test(values[name])) throw new Error(`--${name} must be a whole number above 0`);
    return Number(values[name]);
  };
  for (const name of ['processes', 'many', 'lost', 'kill', 'profile']) {
    if (values[name] !== undefined && !isCluster) throw new Error(`--${name} goes with --cluster`);
  }
  return {
    isCluster,
    isQuick,
    only: chosen(values.only, isCluster ? MEASURES : EVERYWHERE),
    json: values.json,
    rate: number('rate', isCluster ? 10_200 : 5_100),
    seconds: number('seconds', isQuick ? 8 : 30),
    heartbeats: number('heartbeats', isCluster ? 2_000 : 1_000),
    armed: number('armed', isQuick ? 2_000 : 10_000),
    rounds: number('rounds', isQuick ? 1 : 3),
    cpuProfile: values['cpu-profile'],
    keep: values.keep,
    env: Object.fromEntries(values.env.map(variable)),
    processes: number('processes', 2),
    many: number('many', isQuick ? 10_000 : 100_000),
    lost: number('lost', isQuick ? 50_000 : 1_000_000),
    kill: values.kill?.split(','),
    profile: values.profile?.split(',') ?? ['ingest', 'deadline-scheduler'],
  };
}

/** In the order in which measures run, whatever order they were asked for in. */
function chosen(text, possible) {
  const only = text?.split(',') ?? possible;
  const unknown = only.find((name) => !possible.includes(name));
  if (unknown === undefined) return possible.filter((name) => only.includes(name));
  const needs = MEASURES.includes(unknown) ? ' with --cluster alone' : `: there are ${possible.join(', ')}`;
  throw new Error(`--only ${unknown}${needs}`);
}

function variable(text) {
  const [, name, value] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(text) ?? [];
  if (name === undefined) throw new Error('--env must be NAME=value');
  return [name, value];
}
