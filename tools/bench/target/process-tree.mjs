/**
 * What processes and their descendants use, from /proc. Linux only; elsewhere everything is null and the table says so.
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

/** Parents and children of all processes, as they are now. */
function familiesNow() {
  const childrenByParent = new Map();
  if (!isLinux) return childrenByParent;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(name);
    if (!stat) continue;
    const parent = Number(stat[1]);
    childrenByParent.set(parent, [...(childrenByParent.get(parent) ?? []), Number(name)]);
  }
  return childrenByParent;
}

/** @returns {number[]} processes started by this one that run */
export const childrenOf = (pid) => familiesNow().get(pid) ?? [];

/** @returns {number[]} `root` and its descendants */
export function treeOf(root, families = familiesNow()) {
  const tree = [root];
  for (let index = 0; index < tree.length; index += 1) tree.push(...(families.get(tree[index]) ?? []));
  return tree;
}

/** CPU seconds used so far by a process and its descendants, those that ended included; `isAlone`: by itself only. */
function cpuSecondsOf({ pid, isAlone = false }, families) {
  let ticks = 0;
  for (const each of isAlone ? [pid] : treeOf(pid, families)) {
    const stat = statOf(each);
    if (stat) for (const field of stat.slice(11, isAlone ? 13 : 15)) ticks += Number(field);
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
 * @param {Pick<import('./product-process.mjs').Target, 'parts'>} target
 * @returns {() => Cpu | null} to be called at the end
 *
 * Cores used on average. others: everything else on the machine, which is the noise.
 * @typedef {{ seconds: number, parts: Record<string, number>, load: number, others: number }} Cpu
 */
export function watchCpu(target) {
  if (!isLinux) return () => null;
  const read = () => {
    const families = familiesNow();
    const parts = {};
    for (const part of target.parts()) parts[part.name] = (parts[part.name] ?? 0) + cpuSecondsOf(part, families);
    const bench = cpuSecondsOf({ pid: process.pid }, families);
    return { at: performance.now(), parts, bench, machine: machineCpuSeconds() };
  };
  const before = read();
  return () => {
    const after = read();
    const seconds = (after.at - before.at) / 1000;
    const parts = Object.fromEntries(
      Object.keys(after.parts).map((name) => [name, (after.parts[name] - (before.parts[name] ?? 0)) / seconds]),
    );
    const product = Object.values(parts).reduce((sum, cores) => sum + cores, 0);
    const bench = (after.bench - before.bench) / seconds;
    return {
      seconds,
      parts,
      load: bench - product,
      others: (after.machine - before.machine) / seconds - bench,
    };
  };
}

/**
 * Resident memory, in MB, of all parts and of each. rss counts pages that processes share (Postgres' buffers, the programs)
 * once for each of them, pss once in all.
 * @param {Pick<import('./product-process.mjs').Target, 'parts'>} target
 * @returns {{ rssMb: number, pssMb: number, processes: number, parts: Record<string, { rssMb: number, pssMb: number }> } | null}
 */
export function memoryOf(target) {
  if (!isLinux) return null;
  const families = familiesNow();
  const sum = { rssMb: 0, pssMb: 0, processes: 0, parts: {} };
  for (const { name, pid, isAlone } of target.parts()) {
    const part = (sum.parts[name] ??= { rssMb: 0, pssMb: 0 });
    for (const each of isAlone ? [pid] : treeOf(pid, families)) {
      const rollup = readOrNull(`/proc/${each}/smaps_rollup`);
      const megabytes = (field) => Number(new RegExp(`^${field}: +(\\d+) kB`, 'm').exec(rollup)?.[1] ?? NaN) / 1024;
      if (!rollup || Number.isNaN(megabytes('Rss'))) continue;
      for (const total of [sum, part]) {
        total.rssMb += megabytes('Rss');
        total.pssMb += megabytes('Pss');
      }
      sum.processes += 1;
    }
  }
  return sum;
}

/**
 * Samples the memory until stopped; answers the sample with the highest pss. Seldom: a sample of a cluster takes 50 ms of
 * processor time, which whoever is measured lacks.
 */
export function watchMemory(target, everyMs = 10_000) {
  let peak = memoryOf(target);
  const timer = setInterval(() => {
    const now = memoryOf(target);
    if (now && now.pssMb > (peak?.pssMb ?? 0)) peak = now;
  }, everyMs);
  timer.unref(); // nobody stops it when the measurement fails
  return () => {
    clearInterval(timer);
    return peak;
  };
}
