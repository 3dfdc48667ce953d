import type { BackendFactory, ConnectionOptions, IQueueBackend, Job, JobProgress, Queue, Worker } from 'bullmq';

import type { WakeEntry } from './wake-queue';

export type WakeJob = Job<WakeJobData>;
/** Empty in the first job of an id, whose job id it is. */
export interface WakeJobData {
  id?: string;
}
/** BullMQ's classes over whatever backend; their own defaults say Redis. */
export type JobQueue = Queue<WakeJobData, void, string, WakeJobData, void, string, IQueueBackend>;
export type JobWorker = Worker<WakeJobData, void, string, IQueueBackend, JobProgress, ConnectionOptions>;

/** What became of a batch of wake-ups. */
export interface Armed {
  moved: number;
  added: number;
  doubled: number;
}

/**
 * What differs between the servers BullMQ can keep its jobs in. The queues above are the same over all of them, and so
 * is the contract suite.
 */
export interface TimerStore {
  /** Builds what a BullMQ Queue or Worker talks to. */
  readonly backendFactory: BackendFactory;
  /** Handed to BullMQ's constructors with the factory. */
  readonly connection: ConnectionOptions;
  /**
   * Moves each entry's delayed job or adds it; where a job of that id is in another state a second one is added, because
   * BullMQ silently swallows an `add` under an id that exists in any state and refuses to move what is not delayed.
   * Ids are distinct and sorted. Never called twice at a time for one queue.
   */
  arm(queue: JobQueue, entries: readonly WakeEntry[], nowMs: number): Promise<Armed>;
  /** Adds jobs for those ids that have none in any state. @returns how many it added */
  addAbsent(queue: JobQueue, entries: readonly WakeEntry[], nowMs: number): Promise<number>;
  /** Removes the jobs of these ids unless they are running. */
  disarm(queue: JobQueue, ids: readonly string[]): Promise<void>;
  /** What was last written beside the jobs of this queue with `setMark`; null when the store was emptied since. */
  mark(queue: JobQueue): Promise<string | null>;
  /** @param expected writes only over this. @returns whether it was written */
  setMark(queue: JobQueue, mark: string, expected?: string): Promise<boolean>;
  /** Why the store cannot be used, as a sentence, or null. Ends within 2 s. */
  missing(): Promise<string | null>;
  /** How long ago, in ms, a worker of this queue last looked for due jobs with success; null when the store cannot tell. */
  lastLookAgoMs(queueName: string): number | null;
  onError(listener: (error: Error) => void): void;
  /** Ends every connection, by force after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Id of the second job for `id`, beside one that cannot be moved. The id proper travels in the job's data. */
export function secondJobId(entry: WakeEntry): string {
  return `${entry.id}@${entry.at}`;
}

/** Jobs leave nothing behind, done or failed: a leftover of the same id would swallow the next `add`. */
export const leaveNothing = { removeOnComplete: true, removeOnFail: true } as const;

export const WAKE_JOB_NAME = 'wake';

/** BullMQ's own field of a queue's metadata: how many events it keeps for listeners, of which there are none here. */
export const keepFewEvents = { 'opts.maxLenEvents': 100 } as const;
