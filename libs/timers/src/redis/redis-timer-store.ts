import { createRedisBackend } from 'bullmq';
import type { BackendFactory, ConnectionOptions, KeyPrefixOptions, QueueBaseOptions } from 'bullmq';

import { keepFewEvents, leaveNothing, WAKE_JOB_NAME } from '../timer-store';
import type { Armed, JobQueue, TimerStore } from '../timer-store';
import type { WakeEntry } from '../wake-queue';
import { RedisClients } from './redis-clients';
import { settingsProblem } from './redis-settings';

/** Before every key, so that a Redis may also serve others. */
const PREFIX = 'flatline';
const MARK_FIELD = 'flatline';
const MISSING_WITHIN_MS = 1_800;
const DISARM_CHUNK = 500;

/** BullMQ's own Redis backend under the workers, and scripts for many under what arms. */
export class RedisTimerStore implements TimerStore {
  /** Not looked at: the factory hands out connections. */
  readonly connection: ConnectionOptions = {};
  readonly backendFactory: BackendFactory;
  private opened: RedisClients | undefined;
  private closed = false;
  private asking: Promise<string | null> | undefined;
  private readonly listeners: ((error: Error) => void)[] = [];

  constructor(private readonly redisUrl: string) {
    this.backendFactory = (name, opts, extra) => {
      const prefixed: QueueBaseOptions & KeyPrefixOptions = { ...opts, prefix: PREFIX };
      const { commands, workers } = this.clients;
      const own = extra?.withBlockingConnection
        ? { connection: workers }
        : // Neither waits nor asks at the start: either would make it remember for ever that Redis was away then.
          { connection: commands, skipVersionCheck: true, skipWaitingForReady: true };
      return createRedisBackend(name, { ...prefixed, ...own }, extra);
    };
  }

  async arm(queue: JobQueue, entries: readonly WakeEntry[], nowMs: number): Promise<Armed> {
    const client = await this.clients.connected();
    const [moved, added, doubled] = await client.flatlineArm(...keysOf(queue), ...argumentsOf(queue, entries, nowMs));
    return { moved, added, doubled };
  }

  async addAbsent(queue: JobQueue, entries: readonly WakeEntry[], nowMs: number): Promise<number> {
    const client = await this.clients.connected();
    return client.flatlineAddAbsent(...keysOf(queue), ...argumentsOf(queue, entries, nowMs));
  }

  async disarm(queue: JobQueue, ids: readonly string[]): Promise<void> {
    await this.clients.connected();
    for (let from = 0; from < ids.length; from += DISARM_CHUNK) {
      const chunk = ids.slice(from, from + DISARM_CHUNK);
      await Promise.all(chunk.map((id) => queue.getBackend().remove(id, false)));
    }
  }

  async mark(queue: JobQueue): Promise<string | null> {
    const client = await this.clients.connected();
    return client.hget(queue.toKey('meta'), MARK_FIELD);
  }

  async setMark(queue: JobQueue, mark: string, expected = ''): Promise<boolean> {
    const client = await this.clients.connected();
    const bullmqFields = Object.entries(keepFewEvents).flat();
    return (await client.flatlineSetMark(queue.toKey('meta'), MARK_FIELD, mark, expected, ...bullmqFields)) === 1;
  }

  /** Many queues ask at the same time; one question answers all of them. */
  missing(): Promise<string | null> {
    return (this.asking ??= this.ask().finally(() => (this.asking = undefined)));
  }

  /** Its workers block in Redis and cannot say when they last looked. */
  lastLookAgoMs(): null {
    return null;
  }

  onError(listener: (error: Error) => void): void {
    this.listeners.push(listener);
  }

  close(): Promise<void> {
    this.closed = true;
    this.opened?.close();
    return Promise.resolve();
  }

  /** Connects on first use. */
  private get clients(): RedisClients {
    if (this.closed) throw new Error('the connection of the timers is closed');
    return (this.opened ??= new RedisClients(this.redisUrl, (error) =>
      this.listeners.forEach((listener) => listener(error)),
    ));
  }

  private async ask(): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve('Redis does not answer the timers'), MISSING_WITHIN_MS);
    });
    const answer = this.clients
      .connected()
      .then(settingsProblem)
      .catch((error: Error) => `the timers cannot use Redis: ${error.message}`);
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function keysOf(queue: JobQueue): [delayed: string, marker: string] {
  return [queue.toKey('delayed'), queue.toKey('marker')];
}

function argumentsOf(queue: JobQueue, entries: readonly WakeEntry[], nowMs: number): (string | number)[] {
  const wakes = entries.flatMap(({ id, at }) => [id, at]);
  return [queue.toKey(''), WAKE_JOB_NAME, JSON.stringify(leaveNothing), nowMs, ...wakes];
}
