import { createRedisBackend } from 'bullmq';
import type { BackendFactory, ConnectionOptions } from 'bullmq';

import { leaveNothing, secondJobId, WAKE_JOB_NAME } from '../timer-store';
import type { Armed, JobQueue, TimerStore } from '../timer-store';
import type { WakeEntry } from '../wake-queue';

const ANSWER_WITHIN_MS = 1_800;

/** What BullMQ answers to a move of a job that is not there, or not delayed. */
const NOT_THERE = -1;
const NOT_DELAYED = -3;

/** BullMQ's own Redis backend; the commands of one batch are written back to back. */
export class RedisTimerStore implements TimerStore {
  /** Options, not a client: BullMQ then loads ioredis itself, and only here. */
  readonly connection: ConnectionOptions;
  readonly backendFactory: BackendFactory = createRedisBackend;

  constructor(redisUrl: string) {
    this.connection = {
      url: redisUrl,
      connectionName: 'flatline timers',
      retryStrategy: (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 5), 1_000),
    };
  }

  async arm(queue: JobQueue, entries: readonly WakeEntry[], nowMs: number): Promise<Armed> {
    const absent: WakeEntry[] = [];
    const taken: WakeEntry[] = [];
    const outcomes = await Promise.allSettled(
      entries.map(async (entry) => {
        const code = await this.move(queue, entry, nowMs);
        if (code === NOT_THERE) absent.push(entry);
        if (code === NOT_DELAYED) taken.push(entry);
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    await queue.addBulk([
      ...absent.map((entry) => this.job(entry, entry.id, {}, nowMs)),
      ...taken.map((entry) => this.job(entry, secondJobId(entry), { id: entry.id }, nowMs)),
    ]);
    return { moved: entries.length - absent.length - taken.length, added: absent.length, doubled: taken.length };
  }

  async disarm(queue: JobQueue, ids: readonly string[]): Promise<void> {
    await Promise.all(ids.map((id) => queue.getBackend().remove(id, false)));
  }

  async missing(queue: JobQueue): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve('Redis does not answer the timers'), ANSWER_WITHIN_MS);
    });
    const answer = queue.getDelayedCount().then(
      () => null,
      (error: Error) => `the timers cannot use Redis: ${error.message}`,
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Its workers block in Redis and cannot say when they last looked. */
  lastLookAgoMs(): null {
    return null;
  }

  /** Each Queue and Worker owns its connections here, and tells of their errors itself. */
  onError(): void {}

  async close(): Promise<void> {}

  private async move(queue: JobQueue, { id, at }: WakeEntry, nowMs: number): Promise<number> {
    try {
      await queue.getBackend().changeDelay(id, Math.max(at - nowMs, 0));
      return 0;
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === NOT_THERE || code === NOT_DELAYED) return code;
      throw error;
    }
  }

  private job({ at }: WakeEntry, jobId: string, data: { id?: string }, nowMs: number) {
    return { name: WAKE_JOB_NAME, data, opts: { jobId, delay: Math.max(at - nowMs, 0), ...leaveNothing } };
  }
}
