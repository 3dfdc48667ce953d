import { BullmqWakeQueue } from './bullmq-wake-queue';
import { ErrorGate } from './error-gate';
import { PostgresTimerStore } from './postgres/postgres-timer-store';
import type { TimerStore } from './timer-store';
import type { Timers, TimersClock, TimersLogger, WakeQueueName } from './wake-queue';

export interface TimersOptions {
  /** The Redis that keeps the wake-ups: redis://, or rediss:// for TLS. */
  redisUrl?: string | undefined;
  /** Keeps them, in the schema `flatline_timers`, when there is no `redisUrl`. */
  databaseUrl: string;
  logger: TimersLogger;
  clock: TimersClock;
}

/** What is left of the 2 s in which everything must be closed, after the queues have had theirs. */
const CONNECTIONS_END_WITHIN_MS = 300;

/**
 * Timers over BullMQ. Connects on first use; nothing here waits for the store to be there.
 */
export async function createTimers({ redisUrl, databaseUrl, logger, clock }: TimersOptions): Promise<Timers> {
  return new BullmqTimers(await openStore(redisUrl, databaseUrl, clock), logger, clock);
}

async function openStore(redisUrl: string | undefined, databaseUrl: string, clock: TimersClock): Promise<TimerStore> {
  if (!redisUrl) return new PostgresTimerStore({ databaseUrl, clock });
  // Loaded only here: the client costs 10 MB, and the embedded default has no use for it.
  const { RedisTimerStore } = await import('./redis/redis-timer-store');
  return new RedisTimerStore(redisUrl);
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
