/**
 * Lets a fixed number of tasks run at the same time; the others wait their turn in order. What a task throws is its
 * caller's alone.
 */
export class Turnstile {
  private running = 0;
  private readonly queue: (() => void)[] = [];

  constructor(private readonly places: number) {}

  async pass<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.running >= this.places) await new Promise<void>((enter) => this.queue.push(enter));
    else this.running += 1;
    try {
      return await task();
    } finally {
      // The place goes to the next in line directly, so that nobody can slip in between.
      const next = this.queue.shift();
      if (next) next();
      else this.running -= 1;
    }
  }
}
