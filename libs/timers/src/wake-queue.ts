/** One wake-up to arm. */
export interface WakeEntry {
  /**
   * What is to be woken: 1-200 characters, no colon, not an integer (BullMQ keeps both for itself); a UUID is fine.
   * One id has one wake-up.
   */
  id: string;
  /** When, in epoch ms. An instant that has passed wakes at once. */
  at: number;
}

export interface StartOptions {
  /** How many `onWake` may run at the same time in this process. With hundreds, many wakes can be judged together. */
  concurrency: number;
}

/** Running totals of one queue in this process; never reset. */
export interface WakeCounts {
  /** Wake-ups moved to another instant. */
  moved: number;
  /** Wake-ups that were not there and were added, restored ones included. */
  added: number;
  /** Second wake-ups, added because the first was waiting or running and cannot be moved. */
  doubled: number;
  /** `onWake` calls that returned. */
  woken: number;
  /** `onWake` calls that threw; the wake-up is dropped. */
  wakesFailed: number;
  /** Wake-ups taken back from a process that died while it held them. */
  stalled: number;
  /** Errors of the store behind the queue, connection losses among them. */
  storeErrors: number;
}

/**
 * Named alarm clocks that survive a restart.
 *
 * **Timers wake; the row decides.** A wake-up may come early, twice or (when the store loses its data) not at all; it is
 * never late by more than a moment while the store can be reached. So `onWake` must look up what is really due, and
 * something else must sweep for what was forgotten. Arming the same id again moves its wake-up.
 */
export interface WakeQueue {
  /**
   * Arms every entry; of several for one id in one call the last counts. Calls that come in while another is on its way
   * share one round trip, so call it freely and with many.
   *
   * A wake-up that is already running or about to cannot be moved: a second one is added beside it and ends after
   * waking. Arming an id from inside its own `onWake` is therefore right.
   *
   * @throws RangeError on an id or instant that cannot be used; nothing of the call is armed then
   * @throws TimersUnavailable when the store did not take it (some entries may be armed); trying again is safe
   */
  wakeAt(entries: readonly WakeEntry[]): Promise<void>;

  /** Removes the wake-ups of these ids as far as they have not begun; a second one may be left and wakes for nothing. */
  cancel(ids: readonly string[]): Promise<void>;

  /**
   * Whether the store still holds what was armed: nobody has emptied it since {@link restore} last succeeded with this
   * scope. False for a store that is new. What a crash took of the last second's moves goes unnoticed.
   *
   * @throws TimersUnavailable
   */
  isIntact(scope: string): Promise<boolean>;

  /**
   * Arms all of these that are not armed at all, and leaves the others where they are: a move that happens meanwhile is
   * newer than what is told here. The soonest should come first. The queue is intact afterwards.
   *
   * @param scope names what belongs into this queue; another one makes it count as lost
   * @returns false when the store lost everything once more meanwhile, or somebody else has begun to restore: ask again
   * @throws TimersUnavailable when the store did not take it; and whatever reading the pages throws
   */
  restore(scope: string, pages: AsyncIterable<readonly WakeEntry[]>): Promise<boolean>;

  /**
   * Begins to wake in this process. Returns at once: when the store is away it goes on trying. What `onWake` throws is
   * logged and counted and its wake-up dropped; it never stops the others.
   *
   * @throws Error when it has been started and not stopped
   */
  start(onWake: (id: string) => Promise<void>, options: StartOptions): Promise<void>;

  /**
   * Stops waking in this process, lets running `onWake` end and gives back what has not begun. Arming goes on, and so
   * may waking after another `start`. Ends within 2 s, store or no store.
   */
  stop(): Promise<void>;

  /** What keeps this queue from waking, as a sentence for the readiness page; null when nothing does. Ends within 2 s. */
  missing(): Promise<string | null>;

  /** How many wake-ups lie in the future, over all processes. Counts rows: for a metric, not for a hot path. */
  armedCount(): Promise<number>;

  counts(): Readonly<WakeCounts>;

  /** Stops as {@link stop} does, and arms nothing any more. Ends within 2 s, store or no store. */
  close(): Promise<void>;
}

/**
 * The deadline scheduler has a queue per ping partition, `deadlines-<shard>`, so that whoever reads the partition is woken;
 * the notifiers share `deliveries`.
 */
export type WakeQueueName = `deadlines-${number}` | 'deliveries';

export interface Timers {
  /** The same object for the same name. Costs nothing before it is used. */
  queue(name: WakeQueueName): WakeQueue;
  /** Closes every queue, then the connections. Ends within 2 s. Idempotent. */
  close(): Promise<void>;
}

/** Injection token of {@link Timers}. */
export const TIMERS = Symbol('Timers');

/** The part of a pino logger that is used here. */
export interface TimersLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The part of the kernel's Clock that is used here. */
export interface TimersClock {
  /** Epoch ms. */
  now(): number;
  /** Ms that never step back. */
  monotonic(): number;
}

/** The store behind the timers could not be reached or refused. The cause says why. */
export class TimersUnavailable extends Error {
  override name = 'TimersUnavailable';
}
