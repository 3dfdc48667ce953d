/**
 * Where the time goes in a CPU profile of Node, as text: by package or file, and by function.
 *
 * Usage: node tools/bench/top-of-profile.mjs <file.cpuprofile> [lines]
 * Out:   self time as a share of the time the process was busy; `(program)` is native code and system calls of the
 *        process, `(garbage collector)` what its name says; idle time is left out
 */
import { readFileSync } from 'node:fs';
import profiles from './profile.cjs';

const [file, lines = '25'] = process.argv.slice(2);
if (!file || !/^\d+$/.test(lines)) {
  console.error('Usage: node tools/bench/top-of-profile.mjs <file.cpuprofile> [lines]');
  process.exit(2);
}
const { busyMs, wholeMs, byPlace, byFunction } = profiles.selfTimes(JSON.parse(readFileSync(file, 'utf8')));
console.log(`busy ${busyMs.toFixed(0)} of ${wholeMs.toFixed(0)} ms`);
for (const [title, times] of [
  ['by package or file', byPlace],
  ['by function', byFunction],
]) {
  console.log(`\n${title}`);
  for (const [name, ms] of times.slice(0, Number(lines))) {
    console.log(`${((ms / busyMs) * 100).toFixed(1).padStart(6)} %  ${name}`);
  }
}
