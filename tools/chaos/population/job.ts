import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalWriter } from '../journal/journal-file';
import { type Random } from '../random';
import { pingOnce } from './ping-client';
import type { JobPlan } from './plan-jobs';

/** A sensible client: each attempt gets this long, */
const ATTEMPT_TIMEOUT_MS = 5_000;
/** and no further one begins when it has tried for so long. */
export const TRIES_FOR_MS = 10_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;
/** No job runs to the millisecond. */
const UNPUNCTUAL_SHARE = 0.03;
/** How close to its deadline a job of behaviour `edge` pings. */
const EDGE_MS = 30;

/** What a job pings. */
export interface Target {
  readonly id: string;
  readonly pingUrl: string;
}

/** A job that lives as planned, and writes down whatever it does. */
export class SimulatedJob {
  /** The first ping was acknowledged. */
  readonly started: Promise<void>;
  private onStarted: () => void = () => undefined;
  private readonly stopping = new AbortController();
  private readonly done: Promise<void>;
  /** Somewhere between the last acknowledged attempt's sending and its answer, epoch ms. */
  private acknowledgedAt: number | null = null;

  /** @param startedAt of the run: what the plan counts from, epoch ms */
  constructor(
    private readonly plan: JobPlan,
    private readonly target: Target,
    private readonly journal: JournalWriter,
    private readonly random: Random,
    private readonly startedAt: number,
  ) {
    this.started = new Promise((resolve) => (this.onStarted = resolve));
    this.done = this.live();
  }

  /** Resolves when it has begun its last attempt and that has ended. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.done;
  }

  private async live(): Promise<void> {
    for (const { fromMs, untilMs } of this.plan.spells) {
      // Not all at once.
      let runAt = this.startedAt + fromMs + this.random.between(0, this.plan.intervalSecs * 500);
      while (!this.isStopping && runAt < this.startedAt + untilMs) {
        await this.waitUntil(runAt);
        if (this.isStopping) return;
        this.journal.write({ type: 'due', id: this.target.id, at: Date.now() });
        await this.ping();
        runAt = this.nextRunAfter(runAt);
      }
    }
  }

  private nextRunAfter(runAt: number): number {
    const { behaviour, intervalSecs, graceSecs } = this.plan;
    const intervalMs = intervalSecs * 1000;
    if (behaviour === 'edge' && this.acknowledgedAt !== null) {
      return this.acknowledgedAt + intervalMs + graceSecs * 1000 + this.random.between(-EDGE_MS, EDGE_MS);
    }
    const share = this.random.between(1 - UNPUNCTUAL_SHARE, 1);
    return Math.max(runAt + intervalMs * share, Date.now());
  }

  private async ping(): Promise<void> {
    const giveUpAt = Date.now() + TRIES_FOR_MS;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const sentAt = Date.now();
      const { status, pingId } = await pingOnce(this.target.pingUrl, ATTEMPT_TIMEOUT_MS);
      const endedAt = Date.now();
      this.journal.write({ type: 'ping', id: this.target.id, sentAt, endedAt, status, pingId });
      if (status === 200) {
        this.acknowledgedAt = (sentAt + endedAt) / 2;
        this.onStarted();
        return;
      }
      if (this.isStopping || endedAt + pauseMs > giveUpAt) return;
      await this.waitUntil(endedAt + pauseMs);
    }
  }

  private get isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  private waitUntil(at: number): Promise<void> {
    return sleep(Math.max(0, at - Date.now()), undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}
