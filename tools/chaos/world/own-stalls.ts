import type { JournalWriter } from '../journal/journal-file';

const TICK_MS = 100;
/** Well above what a busy machine does to every process, and below what anybody notices. */
const STALL_MS = 1_000;

/**
 * Writes down when this process stood still. It carries all traffic between Flatline and its servers, so that is a fault
 * like any other, if one that nobody planned.
 */
export function watchOwnStalls(journal: JournalWriter): { stop(): void } {
  let tickedAt = Date.now();
  const timer = setInterval(() => {
    const [startedAt, endedAt] = [tickedAt, Date.now()];
    tickedAt = endedAt;
    const lateMs = endedAt - startedAt - TICK_MS;
    if (lateMs < STALL_MS) return;
    const name = `stall everything for ${(lateMs / 1_000).toFixed(1)} s (not planned)`;
    journal.write({ type: 'fault', kind: 'stall', target: 'everything', name, startedAt, endedAt });
  }, TICK_MS).unref(); // a run that fails ends all the same
  return { stop: () => clearInterval(timer) };
}
