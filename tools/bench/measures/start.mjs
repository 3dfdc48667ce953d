import statistics from '../statistics.cjs';
import { memoryOf } from '../target/process-tree.mjs';
import { GOALS, inSeconds, megabytes } from './goals.mjs';

/**
 * @param {'standalone' | 'cluster'} name of the target
 * @param {{ firstMs: number, againMs: number[] }} starts from the start of the process until all of it is ready
 */
export function startOutcome(name, { firstMs, againMs }) {
  const again = statistics.median(againMs);
  const goalMs = GOALS[name].startMs;
  return {
    rows: [
      { name: 'start to ready, with an empty data directory', measured: inSeconds(firstMs) },
      {
        name: `start to ready, again (median of ${againMs.length})`,
        measured: inSeconds(again),
        ...(goalMs ? { goal: `< ${inSeconds(goalMs)}`, isMet: again < goalMs } : {}),
      },
    ],
    failures: [],
    figures: { firstMs, againMs },
  };
}

/** The whole stack after it has started and before anything was asked of it. */
export async function measureIdleMemory({ target, options, say }) {
  const settleSeconds = options.isQuick ? 15 : 30; // unused connections are given up after 10 s
  say(`idle memory: ${settleSeconds} s after the start`);
  await new Promise((resolve) => setTimeout(resolve, settleSeconds * 1000));
  const memory = memoryOf(target);
  if (!memory)
    return { rows: [{ name: 'idle memory', measured: 'not known on this system' }], failures: [], figures: {} };
  const goalMb = GOALS[target.name].idleMemoryMb;
  return {
    rows: [
      {
        name: `idle memory of the stack, ${memory.processes} processes (rss)`,
        measured: megabytes(memory.rssMb),
        ...(goalMb ? { goal: `< ${megabytes(goalMb)}`, isMet: memory.rssMb < goalMb } : {}),
      },
      { name: '  shared pages counted once (pss)', measured: megabytes(memory.pssMb) },
      ...Object.entries(memory.parts).map(([name, { rssMb, pssMb }]) => {
        return { name: `    ${name} (rss / pss)`, measured: `${Math.round(rssMb)} / ${megabytes(pssMb)}` };
      }),
    ],
    failures: [],
    figures: memory,
  };
}
