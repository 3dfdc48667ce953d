import { Redis, type RedisOptions } from 'ioredis';

import { ADD_ABSENT, ARM, SET_MARK } from './scripts';

/** How long a command may take, a connection being there. */
const ANSWER_WITHIN_MS = 1_500;
/** How long a command waits for a connection: long enough for a restart of Redis to go unnoticed. */
const CONNECT_WITHIN_MS = 1_500;

const common: RedisOptions = {
  retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 5), 1_000),
  // After a fail-over the old primary may still be there and refuse to write; its name then leads to the new one.
  reconnectOnError: (error) => error.message.includes('READONLY'),
};

type Arguments = (string | number)[];

/** Our own scripts as commands: the keys, then the arguments told in scripts.ts. */
interface Scripts {
  flatlineArm(delayed: string, marker: string, ...args: Arguments): Promise<[number, number, number]>;
  flatlineAddAbsent(delayed: string, marker: string, ...args: Arguments): Promise<number>;
  flatlineSetMark(meta: string, ...args: Arguments): Promise<number>;
}

const scripts: Record<keyof Scripts, { lua: string; numberOfKeys: number }> = {
  flatlineArm: { lua: ARM, numberOfKeys: 2 },
  flatlineAddAbsent: { lua: ADD_ABSENT, numberOfKeys: 2 },
  flatlineSetMark: { lua: SET_MARK, numberOfKeys: 1 },
};

export type Commands = Redis & Scripts;

/**
 * Two connections of a process to Redis, because there are two ways to wait.
 *
 * `commands` must not: whoever arms is told soon that it did not work, so that the sweep can stand in. It keeps nothing
 * back for later, which would grow without bounds while Redis is away and arm what is long outdated when it is back.
 *
 * `workers` may: BullMQ's workers are meant to hang until Redis is back and then go on. It is duplicated by BullMQ for
 * each worker, which blocks in a connection of its own for up to 10 s.
 */
export class RedisClients {
  readonly commands: Commands;
  readonly workers: Redis;
  /** Why there was no connection last time: refused, a certificate, a password. */
  private problem = 'no answer';

  constructor(redisUrl: string, onError: (error: Error) => void) {
    this.commands = new Redis(redisUrl, {
      ...common,
      connectionName: 'flatline timers',
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: ANSWER_WITHIN_MS,
      socketTimeout: 5_000,
      scripts,
    }) as Commands;
    this.workers = new Redis(redisUrl, {
      ...common,
      connectionName: 'flatline timers, workers',
      maxRetriesPerRequest: null,
      socketTimeout: 15_000,
    });
    this.commands.on('error', (error: Error & { code?: unknown }) => {
      this.problem = error.message || String(error.code);
      onError(error);
    });
    this.workers.on('error', onError);
  }

  /** @throws Error when there is no connection, after a moment */
  async connected(): Promise<Commands> {
    const { commands } = this;
    if (commands.status === 'ready') return commands;
    await new Promise<void>((resolve, reject) => {
      const ready = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        commands.off('ready', ready);
        reject(new Error(`no connection (${this.problem})`));
      }, CONNECT_WITHIN_MS);
      commands.once('ready', ready);
    });
    return commands;
  }

  close(): void {
    this.commands.disconnect();
    this.workers.disconnect();
  }
}
