/**
 * What a process and all its descendants use, from /proc. Linux only; elsewhere everything is null and the table says so.
 */
import { readdirSync, readFileSync } from 'node:fs';

const isLinux = process.platform === 'linux';
const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux Node runs on

const readOrNull = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null; // ended meanwhile
  }
};

/** Fields of /proc/<pid>/stat from the third on; the second, the name, may hold anything. */
function statOf(pid) {
  const text = readOrNull(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? null;
}

/** @returns {number[]} `root` and its descendants */
export function treeOf(root) {
  if (!isLinux) return [root];
  const childrenOf = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(name);
    if (!stat) continue;
    const parent = Number(stat[1]);
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (let index = 0; index < tree.length; index += 1) tree.push(...(childrenOf.get(tree[index]) ?? []));
  return tree;
}

/** CPU seconds used so far by processes, their ended children included. */
function cpuSecondsOf(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const stat = statOf(pid);
    if (stat) for (const field of stat.slice(11, 15)) ticks += Number(field);
  }
  return ticks / TICKS_PER_SECOND;
}

/** CPU seconds all processes of the machine used so far. */
function machineCpuSeconds() {
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/ +/);
  return [user, nice, system, irq, softirq].reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

/**
 * Watches who uses the processors while something is measured.
 * @param {number} serverPid root of what is measured
 * @returns {() => { server: number, children: number, load: number, others: number } | null} cores used on average since the call,
 *   by the server's process, by its children (Postgres), by the bench itself and by everything else on the machine: the noise
 */
export function watchCpu(serverPid) {
  if (!isLinux) return () => null;
  const read = () => {
    const server = cpuSecondsOf([serverPid]) - reapedSecondsOf(serverPid);
    const stack = cpuSecondsOf(treeOf(serverPid));
    return {
      at: performance.now(),
      server,
      stack,
      bench: cpuSecondsOf(treeOf(process.pid)),
      machine: machineCpuSeconds(),
    };
  };
  const before = read();
  return () => {
    const after = read();
    const seconds = (after.at - before.at) / 1000;
    const used = (name) => (after[name] - before[name]) / seconds;
    return {
      server: used('server'),
      children: used('stack') - used('server'),
      load: used('bench') - used('stack'),
      others: used('machine') - used('bench'),
    };
  };
}

function reapedSecondsOf(pid) {
  const stat = statOf(pid);
  return stat ? (Number(stat[13]) + Number(stat[14])) / TICKS_PER_SECOND : 0;
}

/**
 * Resident memory of a tree, in MB. rss counts pages that processes share (Postgres' buffers, the programs) once for
 * each of them, pss once in all.
 * @returns {{ rssMb: number, pssMb: number, serverRssMb: number, processes: number } | null}
 */
export function memoryOf(root) {
  if (!isLinux) return null;
  const sum = { rssMb: 0, pssMb: 0, serverRssMb: 0, processes: 0 };
  for (const pid of treeOf(root)) {
    const rollup = readOrNull(`/proc/${pid}/smaps_rollup`);
    const kilobytes = (name) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)?.[1] ?? NaN);
    if (!rollup || Number.isNaN(kilobytes('Rss'))) continue;
    sum.rssMb += kilobytes('Rss') / 1024;
    sum.pssMb += kilobytes('Pss') / 1024;
    if (pid === root) sum.serverRssMb = kilobytes('Rss') / 1024;
    sum.processes += 1;
  }
  return sum;
}

/** Samples the memory of a tree until stopped; answers the sample with the highest pss. */
export function watchMemory(root, everyMs = 2_000) {
  let peak = memoryOf(root);
  const timer = setInterval(() => {
    const now = memoryOf(root);
    if (now && now.pssMb > (peak?.pssMb ?? 0)) peak = now;
  }, everyMs);
  timer.unref(); // nobody stops it when the measurement fails
  return () => {
    clearInterval(timer);
    return peak;
  };
}
