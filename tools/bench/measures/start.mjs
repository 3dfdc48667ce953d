import statistics from '../statistics.cjs';
import { memoryOf } from '../target/process-tree.mjs';
import { GOALS, megabytes } from './goals.mjs';

const seconds = (value) => `${(value / 1000).toFixed(2)} s`;

/** @param {{ firstMs: number, againMs: number[] }} starts from the start of the process to the first 200 of /readyz */
export function startOutcome({ firstMs, againMs }) {
  const again = statistics.median(againMs);
  return {
    rows: [
      { name: 'start to ready, with an empty data directory', measured: seconds(firstMs) },
      {
        name: `start to ready, again (median of ${againMs.length})`,
        measured: seconds(again),
        goal: `< ${seconds(GOALS.startMs)}`,
        isMet: again < GOALS.startMs,
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
  const memory = memoryOf(target.pid);
  if (!memory)
    return { rows: [{ name: 'idle memory', measured: 'not known on this system' }], failures: [], figures: {} };
  return {
    rows: [
      {
        name: `idle memory of the stack, ${memory.processes} processes (rss)`,
        measured: megabytes(memory.rssMb),
        goal: `< ${megabytes(GOALS.idleMemoryMb)}`,
        isMet: memory.rssMb < GOALS.idleMemoryMb,
      },
      { name: '  shared pages counted once (pss)', measured: megabytes(memory.pssMb) },
      { name: '  of that the Node process (rss)', measured: megabytes(memory.serverRssMb) },
    ],
    failures: [],
    figures: memory,
  };
}
