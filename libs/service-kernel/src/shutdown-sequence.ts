import type { Clock } from './clock';
import type { Logger } from './logging/create-logger';

/** The stages of stopping, in the order they run. Each begins when the one before has ended. */
export const SHUTDOWN_STAGES = [
  'notice',
  'intake',
  'in-flight',
  'workers',
  'producers',
  'database',
  'servers',
] as const;
export type ShutdownStage = (typeof SHUTDOWN_STAGES)[number];

interface Step {
  readonly name: string;
  readonly stop: () => unknown;
}

/**
 * Stops a process in order, so that nothing loses what it stands on: first those who send it work are given the time to
 * look elsewhere (`notice`), then no new work is taken (`intake`), then what was begun is finished (`in-flight`), then consumers and timers (`workers`), then what they write to (`producers`),
 * then the connections to the `database`, last the `servers` we started ourselves. Steps of one stage run at the same
 * time.
 */
export class ShutdownSequence {
  private readonly steps = new Map<ShutdownStage, Step[]>(SHUTDOWN_STAGES.map((stage) => [stage, []]));
  private running: Promise<boolean> | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Whether stopping has begun. */
  get begun(): boolean {
    return this.running !== undefined;
  }

  /** Adds a step. What it returns is waited for; what it throws is logged and stops nothing else. */
  on(stage: ShutdownStage, name: string, stop: () => unknown): void {
    this.steps.get(stage)!.push({ name, stop });
  }

  /** Adds the steps of a sequence that was not run: what was opened by a routine that succeeded as a whole. */
  adopt(other: ShutdownSequence): void {
    for (const [stage, steps] of other.steps) this.steps.get(stage)!.push(...steps);
  }

  /**
   * Runs all stages within `deadlineMs`. Never throws. True when every step ended well and in time; steps that did not
   * are named in the log. Called again it gives the same answer and runs nothing twice.
   */
  run(deadlineMs: number): Promise<boolean> {
    this.running ??= this.runStages(this.clock.monotonic() + deadlineMs);
    return this.running;
  }

  private async runStages(deadline: number): Promise<boolean> {
    let well = true;
    for (const stage of SHUTDOWN_STAGES) {
      const steps = this.steps.get(stage)!;
      // A start that is still under way may add steps to the very stage that waits for it.
      while (steps.length > 0) {
        const outcomes = await Promise.all(steps.splice(0).map((step) => this.runStep(stage, step, deadline)));
        well &&= outcomes.every(Boolean);
      }
    }
    return well;
  }

  private async runStep(stage: ShutdownStage, step: Step, deadline: number): Promise<boolean> {
    const leftMs = Math.max(0, deadline - this.clock.monotonic());
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<'too late'>((resolve) => {
      timer = setTimeout(resolve, leftMs, 'too late');
    });
    try {
      const stopped = Promise.resolve().then(() => step.stop());
      // What fails after its time is up is only worth a line, and must not end the process as an unhandled rejection.
      stopped.catch(() => undefined);
      if ((await Promise.race([stopped, tooLate])) !== 'too late') return true;
      this.logger.warn({ stage, step: step.name }, 'did not stop in time');
      return false;
    } catch (err) {
      this.logger.error({ err, stage, step: step.name }, 'failed while stopping');
      return false;
    } finally {
      clearTimeout(timer);
    }
  }
}
