/** The goals on two cores, load generator included, everything on one machine. They are printed, never enforced. */
export const GOALS = {
  latencyP99Ms: 50,
  latencyRate: 1_000,
  sustainedPerSecond: 5_000,
  lagSeconds: 2,
  alertP99Ms: 1_000,
  armed: 10_000,
  idleMemoryMb: 350,
  startMs: 5_000,
};

/**
 * A line of the table.
 * @typedef {{ name: string, measured: string, goal?: string, isMet?: boolean, baseline?: string, ratio?: number }} Row
 *
 * What a measure hands back. failures: broken promises, as sentences; they alone make the bench fail.
 * @typedef {{ rows: Row[], failures: string[], figures: object }} Outcome
 *
 * What a measure gets.
 * @typedef {{ target: import('../target/standalone.mjs').Target, bare: { host: string, port: number, baseUrl: string },
 *   api: import('../target/api.mjs').Api, tool: 'wrk' | 'autocannon', options: import('../options.mjs').Options,
 *   workDir: string, say: (line: string) => void }} Context
 */

export const ms = (value) => (Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : '-');
export const count = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString('en') : '-');
export const perSecond = (value) => `${count(value)}/s`;
export const megabytes = (value) => `${Math.round(value)} MB`;

/** One line about who used the processors; `others` is what disturbed the measurement. */
export function cpuLine(cpu) {
  if (!cpu) return 'processors: not known on this system';
  const cores = (value) => Math.max(0, value).toFixed(2);
  return `cores used: server ${cores(cpu.server)}, postgres ${cores(cpu.children)}, load generator ${cores(cpu.load)}, others ${cores(cpu.others)}`;
}

/** What one ping costs, in processor time: it hardly depends on what else the machine does. */
export function costPerPing(cpu, pingsPerSecond) {
  if (!cpu) return null;
  const microseconds = (cores) => (cores / pingsPerSecond) * 1e6;
  return { server: microseconds(cpu.server), postgres: microseconds(cpu.children), load: microseconds(cpu.load) };
}

export function costText(cost) {
  const whole = (name) => Math.round(cost[name]);
  return `${whole('server') + whole('postgres')} µs (server ${whole('server')}, postgres ${whole('postgres')})`;
}
