import type { TimersClock, WakeQueue } from './wake-queue';

export const clock: TimersClock = { now: () => Date.now(), monotonic: () => performance.now() };

/** Writes down who was woken when. */
export class Recorder {
  readonly ids: string[] = [];
  private readonly times = new Map<string, number>();
  private held: Promise<void> | undefined;

  constructor(readonly queue: WakeQueue) {}

  async start(concurrency = 100): Promise<void> {
    await this.queue.start(
      async (id) => {
        this.ids.push(id);
        this.times.set(id, clock.now());
        await this.held;
      },
      { concurrency },
    );
  }

  /** Wakes hang until the returned function is called. */
  hold(): () => void {
    let release = (): void => undefined;
    this.held = new Promise((resolve) => (release = resolve));
    return () => {
      this.held = undefined;
      release();
    };
  }

  /** Epoch ms of the last wake; 0 when there was none. */
  at(id: string): number {
    return this.times.get(id) ?? 0;
  }

  /** How often each was woken. */
  tally(): Record<string, number> {
    const tally: Record<string, number> = {};
    for (const id of this.ids) tally[id] = (tally[id] ?? 0) + 1;
    return tally;
  }

  async wakesOfTheNext300Ms(): Promise<number> {
    const before = this.ids.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return this.ids.length - before;
  }
}
