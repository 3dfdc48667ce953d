import { BullmqWakeQueue } from './bullmq-wake-queue';
import { ErrorGate } from './error-gate';
import { PostgresTimerStore } from './postgres/postgres-timer-store';
import { RedisTimerStore } from './redis/redis-timer-store';
import type { TimerStore } from './timer-store';
import type { Timers, TimersClock, TimersLogger, WakeQueueName } from './wake-queue';

/** Where the wake-ups are kept: in a Postgres, in the schema `flatline_timers`, or in a Redis. Connection strings. */
export type TimersPlace = { databaseUrl: string; redisUrl?: never } | { redisUrl: string; databaseUrl?: never };

export type TimersOptions = TimersPlace & {
  logger: TimersLogger;
  clock: TimersClock;
};

/** What is left of the 2 s in which everything must be closed, after the queues have had theirs. */
const CONNECTIONS_END_WITHIN_MS = 300;

/**
 * Timers over BullMQ. Connects on first use; nothing here waits for the store to be there.
 */
export function createTimers(options: TimersOptions): Timers {
  const { logger, clock } = options;
  const store = options.redisUrl
    ? new RedisTimerStore(options.redisUrl)
    : new PostgresTimerStore({ databaseUrl: options.databaseUrl as string, clock });
  return new BullmqTimers(store, logger, clock);
}

class BullmqTimers implements Timers {
  private readonly queues = new Map<WakeQueueName, BullmqWakeQueue>();
  private readonly errors: ErrorGate;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly store: TimerStore,
    private readonly logger: TimersLogger,
    private readonly clock: TimersClock,
  ) {
    this.errors = new ErrorGate(logger, clock);
    store.onError((error) => {
      if (!this.closing) this.errors.report('the connection of the timers failed', error);
    });
  }

  queue(name: WakeQueueName): BullmqWakeQueue {
    const known = this.queues.get(name);
    if (known) return known;
    const { store, logger, clock, errors } = this;
    const queue = new BullmqWakeQueue(name, { store, logger, clock, errors });
    this.queues.set(name, queue);
    return queue;
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(): Promise<void> {
    await Promise.allSettled([...this.queues.values()].map((queue) => queue.close()));
    await this.store.close(CONNECTIONS_END_WITHIN_MS);
  }
}
