export interface AppendFailureOptions extends ErrorOptions {
  /** See {@link AppendRejected.partitions}. */
  readonly partitions?: readonly number[];
}

/** The append is definitely not stored and never will be; a retry is safe. `cause` says why. */
export class AppendRejected extends Error {
  override name = 'AppendRejected';
  /**
   * The partitions this is about, where partitions can fail one by one (their leaders are different servers): the
   * records of all the others are stored and durable. Undefined: all partitions of the append.
   */
  readonly partitions: readonly number[] | undefined;

  constructor(message: string, options: AppendFailureOptions = {}) {
    super(message, options);
    this.partitions = options.partitions;
  }
}

/** One record can never be stored, however often it is tried. Nothing of the append was; without it, the others can be. */
export class RecordTooLarge extends AppendRejected {
  override name = 'RecordTooLarge';

  constructor(
    /** Of the first such record in the append. */
    readonly index: number,
    bytes: number,
    limitBytes: number,
  ) {
    super(`record ${index} of an append has ${bytes} bytes, the event log takes ${limitBytes}`);
  }
}

/**
 * Nobody knows whether the append is or will be stored, until a later append of the same producer to the partition
 * succeeds.
 */
export class AppendUnresolved extends Error {
  override name = 'AppendUnresolved';
  /** As with {@link AppendRejected.partitions}. Some of these may be definitely not stored; a caller need not care. */
  readonly partitions: readonly number[] | undefined;

  constructor(message: string, options: AppendFailureOptions = {}) {
    super(message, options);
    this.partitions = options.partitions;
  }
}

/** A later producer was opened under the same exclusive id. Final: this producer can never append again. */
export class ProducerFenced extends Error {
  override name = 'ProducerFenced';

  constructor(
    readonly exclusiveId: string,
    readonly epoch: number,
  ) {
    super(`a later producer took over the identity "${exclusiveId}" from epoch ${epoch}`);
  }
}

/** `append` was called while an append of the same producer was running: a mistake of the caller. Nothing was stored. */
export class ConcurrentAppend extends Error {
  override name = 'ConcurrentAppend';

  constructor() {
    super('one append at a time: the previous one of this producer is still running');
  }
}

/** Thrown by a handler whose stored position is not the one it was handed records for: ask again, read from there. */
export class PositionMoved extends Error {
  override name = 'PositionMoved';

  constructor(message = 'the stored position is another one') {
    super(message);
  }
}

/** A consumer's position lies outside what the log holds: retention passed it, or the log was truncated or replaced. */
export class PositionOutOfRange extends Error {
  override name = 'PositionOutOfRange';

  constructor(
    readonly topic: string,
    readonly partition: number,
    readonly position: number,
    readonly start: number,
    readonly end: number,
  ) {
    super(
      `position ${position} of ${topic}, partition ${partition}, lies outside the log, which holds ${start} up to ${end}`,
    );
  }
}

export class UnknownTopic extends Error {
  override name = 'UnknownTopic';

  constructor(topic: string, partition?: number) {
    super(partition === undefined ? `no topic ${topic}` : `no partition ${partition} in topic ${topic}`);
  }
}

/** The topic exists with another number of partitions. Growing is a new topic generation, never a change in place. */
export class TopicMismatch extends Error {
  override name = 'TopicMismatch';

  constructor(topic: string, existing: number, wanted: number) {
    super(`topic ${topic} has ${existing} partitions, the configuration says ${wanted}`);
  }
}

/** The log was closed. */
export class LogClosed extends Error {
  override name = 'LogClosed';

  constructor() {
    super('the event log is closed');
  }
}
