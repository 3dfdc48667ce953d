/** Numbers that look random and are a pure function of a seed. */
export interface Random {
  /** From `low` up to `high`, not `high` itself. */
  between(low: number, high: number): number;
  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number;
  /** True once in 1/`share` times. */
  chance(share: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
}

/**
 * The stream of a seed and a name. Streams of different names have nothing to do with one another, so that one more job
 * changes no fault.
 *
 * Source: the generator is mulberry32, the hash FNV-1a; both are in the public domain.
 */
export function randomOf(seed: number, name: string): Random {
  let state = hash(`${seed}/${name}`);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    between: (low, high) => low + next() * (high - low),
    whole,
    chance: (share) => next() < share,
    pick: (items) => items[whole(0, items.length - 1)]!,
  };
}

function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ character.codePointAt(0)!, 0x01000193);
  return value >>> 0;
}
