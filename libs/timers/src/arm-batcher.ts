import type { WakeEntry } from './wake-queue';

/** Entries per statement: large enough to make the round trip cheap, small enough to hold its row locks for ms only. */
const MAX_BATCH = 500;

interface Group {
  entries: Map<string, number>;
  done: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Gathers what is armed while a batch is on its way into the next one, so that many small calls cost a few round trips
 * (on Postgres: a few commits and notifications) and no two batches of one process race for the same id.
 */
export class ArmBatcher {
  private next: Group | undefined;
  private running: Promise<void> | undefined;

  constructor(private readonly arm: (entries: WakeEntry[]) => Promise<void>) {}

  /** Resolves when all entries are armed. A later entry for an id replaces an earlier one that has not left yet. */
  add(entries: readonly WakeEntry[]): Promise<void> {
    if (entries.length === 0) return Promise.resolve();
    const group = (this.next ??= newGroup());
    for (const { id, at } of entries) group.entries.set(id, at);
    this.running ??= this.run();
    return group.done;
  }

  /** Resolves when nothing is on its way any more. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    await Promise.resolve(); // lets callers of the same tick join the first batch
    for (let group = this.next; group; group = this.next) {
      this.next = undefined;
      try {
        // Sorted: two processes that arm the same ids take their row locks in the same order.
        const sorted = [...group.entries].map(([id, at]) => ({ id, at })).sort((a, b) => (a.id < b.id ? -1 : 1));
        for (const batch of inBatches(sorted)) await this.arm(batch);
        group.resolve();
      } catch (error) {
        group.reject(error);
      }
    }
    this.running = undefined;
  }
}

/** What is too much for one statement, in pieces that are not. */
export function inBatches(entries: readonly WakeEntry[]): WakeEntry[][] {
  const batches: WakeEntry[][] = [];
  for (let from = 0; from < entries.length; from += MAX_BATCH) batches.push(entries.slice(from, from + MAX_BATCH));
  return batches;
}

function newGroup(): Group {
  const group = { entries: new Map<string, number>() } as Group;
  group.done = new Promise((resolve, reject) => Object.assign(group, { resolve, reject }));
  group.done.catch(() => undefined); // the caller holds it too; a caller that dropped it must not end the process
  return group;
}
