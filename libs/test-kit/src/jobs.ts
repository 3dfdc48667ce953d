import { setTimeout as sleep } from 'node:timers/promises';

import type { ApiHeartbeat, ApiSession } from './api-session';

const RETRY_EVERY_MS = 100;

export interface JobsOptions {
  /** At most so long between two pings of one job. */
  readonly pauseMs: number;
  readonly count: number;
  /** 0 up to 1; given where a run is to be repeatable. */
  readonly random?: () => number;
}

/** Jobs that ping one heartbeat, each again and again until the answer is 200, and remember what was acknowledged. */
export class Jobs {
  readonly acknowledged: string[] = [];
  /** Pings that were answered otherwise, or not at all, and tried again. */
  refused = 0;
  private running = true;
  private readonly done: Promise<unknown>;

  constructor(
    readonly heartbeat: ApiHeartbeat,
    private readonly api: Pick<ApiSession, 'ping'>,
    private readonly options: JobsOptions,
  ) {
    this.done = Promise.all(Array.from({ length: options.count }, () => this.run()));
  }

  async stop(): Promise<void> {
    this.running = false;
    await this.done;
  }

  private async run(): Promise<void> {
    const { pauseMs, random = Math.random } = this.options;
    while (this.running) {
      const answer = await this.api.ping(this.heartbeat.token).catch(() => null);
      if (answer?.status === 200) this.acknowledged.push(answer.json.id as string);
      else this.refused += 1;
      await sleep(answer?.status === 200 ? pauseMs * random() : RETRY_EVERY_MS);
    }
  }
}
