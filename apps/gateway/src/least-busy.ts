export interface Candidate {
  readonly isReady: boolean;
  /** Requests that it has not answered yet. */
  readonly inFlight: number;
}

/**
 * Of those that were not tried yet, the ready one with the fewest requests under way; those that are equal take turns.
 * When none is ready the least busy of the others: what it answers is better founded than what we would say.
 *
 * A process that hangs keeps what it was given, so it is busier than the others and gets no more.
 */
export function leastBusy<Each extends Candidate>(
  candidates: readonly Each[],
  tried: ReadonlySet<Each>,
  turn: number,
): Each | null {
  let best: Each | null = null;
  for (let index = 0; index < candidates.length; index += 1) {
    const each = candidates[(index + turn) % candidates.length]!;
    if (tried.has(each)) continue;
    if (best === null || isBetter(each, best)) best = each;
  }
  return best;
}

function isBetter(one: Candidate, other: Candidate): boolean {
  return one.isReady === other.isReady ? one.inFlight < other.inFlight : one.isReady;
}
