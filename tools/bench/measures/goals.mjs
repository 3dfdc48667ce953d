/** The goals on two cores, load generator included, everything on one machine. They are printed, never enforced. */
export const GOALS = {
  latencyP99Ms: 50,
  latencyRate: 1_000,
  lagSeconds: 2,
  alertP99Ms: 1_000,
  /** Of the embedded default. */
  standalone: { sustainedPerSecond: 5_000, armed: 10_000, idleMemoryMb: 350, startMs: 5_000 },
  cluster: {
    sustainedPerSecond: 10_000,
    /** Acknowledged pings/s at the ingests, as a share of what a bare node:http server answers. */
    ofBareServer: 0.5,
    armed: 100_000,
    sameSecond: 10_000,
    sameSecondMs: 5_000,
    redisBytesPerArmed: 1_000,
    lostTimers: 1_000_000,
    armedAgainSeconds: 60,
  },
};

/**
 * A line of the table.
 * @typedef {{ name: string, measured: string, goal?: string, isMet?: boolean, baseline?: string, ratio?: number }} Row
 *
 * What a measure hands back. failures: broken promises, as sentences; they alone make the bench fail.
 * @typedef {{ rows: Row[], failures: string[], figures: object }} Outcome
 *
 * What a measure gets.
 * @typedef {{ target: import('../target/product-process.mjs').Target | import('../target/cluster.mjs').ClusterTarget,
 *   bare: import('../target/product-process.mjs').Server, api: import('../target/api.mjs').Api,
 *   tool: 'wrk' | 'autocannon', options: import('../options.mjs').Options, workDir: string,
 *   profiled: <Result>(name: string, work: () => Promise<Result>) => Promise<Result>, say: (line: string) => void }} Context
 *   profiled: writes CPU profiles of what runs meanwhile, when they are asked for
 */

export const ms = (value) => (Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : '-');
export const count = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString('en') : '-');
export const perSecond = (value) => `${count(value)}/s`;
export const megabytes = (value) => `${Math.round(value)} MB`;
export const inSeconds = (milliseconds) =>
  Number.isFinite(milliseconds) ? `${(milliseconds / 1000).toFixed(2)} s` : '-';

/** Whether a goal was met that is about so many; of fewer there is nothing to say. */
export const metBy = (number, goalNumber, isMet) => (number >= goalNumber ? { isMet } : {});

/** One line about who used the processors; `others` is what disturbed the measurement. */
export function cpuLine(cpu) {
  if (!cpu) return 'processors: not known on this system';
  const cores = ([name, value]) => `${name} ${Math.max(0, value).toFixed(2)}`;
  return `cores used: ${[...Object.entries(cpu.parts), ['load generator', cpu.load], ['others', cpu.others]].map(cores).join(', ')}`;
}

/**
 * What one ping costs in each part, in microseconds of processor time: it hardly depends on what else the machine does.
 * @returns {Record<string, number> | null}
 */
export function costPerPing(cpu, pings) {
  if (!cpu) return null;
  return Object.fromEntries(
    Object.entries(cpu.parts).map(([name, cores]) => [name, ((cores * cpu.seconds) / pings) * 1e6]),
  );
}

export function costText(cost) {
  const parts = Object.entries(cost).sort(([, a], [, b]) => b - a);
  const sum = parts.reduce((total, [, microseconds]) => total + microseconds, 0);
  return `${Math.round(sum)} µs (${parts.map(([name, microseconds]) => `${name} ${Math.round(microseconds)}`).join(', ')})`;
}

/** A row for each part: what is behind docs/scaling.md. */
export function costRows(cost) {
  if (!cost) return [];
  const parts = Object.entries(cost).sort(([, a], [, b]) => b - a);
  const sum = parts.reduce((total, [, microseconds]) => total + microseconds, 0);
  return [
    { name: '  processor time per ping', measured: `${Math.round(sum)} µs` },
    ...parts.map(([name, microseconds]) => ({ name: `    ${name}`, measured: `${microseconds.toFixed(1)} µs` })),
  ];
}
