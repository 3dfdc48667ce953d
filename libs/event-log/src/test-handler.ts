import { PositionMoved } from './errors';
import type { PositionOutOfRange } from './errors';
import type { EventLog, LogRecord, OutgoingRecord, PartitionHandler } from './event-log';

/** What an adapter brings to be put through the suite. */
export interface EventLogHarness {
  /** Another instance on the same log, as another process would have it. The suite closes it. */
  open(): Promise<EventLog>;
  stop(): Promise<void>;
}

export const record = (partition: number, text: string, headers?: Record<string, string>): OutgoingRecord => ({
  partition,
  key: `key-${text}`,
  value: Buffer.from(text),
  headers,
});

/** What keeps the log from being used, kind and sentence, as one text. */
export const troublesOf = (log: EventLog): string =>
  log
    .troubles()
    .map(({ kind, sentence }) => `${kind}: ${sentence}`)
    .join('; ');

export const texts = (records: readonly LogRecord[]): string[] => records.map(({ value }) => value.toString());

/** Keeps positions as a service would keep them in its database, and everything it was handed. */
export class RecordingHandler implements PartitionHandler {
  readonly seen: LogRecord[] = [];
  readonly batches: number[] = [];
  readonly revokedPartitions: number[] = [];
  readonly outOfRangeErrors: PositionOutOfRange[] = [];
  readonly running = new Set<number>();

  constructor(readonly positions = new Map<number, number>()) {}

  async position(partition: number): Promise<number> {
    return this.positions.get(partition) ?? 0;
  }

  async handle(partition: number, records: readonly LogRecord[]): Promise<void> {
    if (records[0]?.offset !== (this.positions.get(partition) ?? 0)) throw new PositionMoved();
    this.batches.push(records.length);
    this.seen.push(...records);
    this.positions.set(partition, (records.at(-1) as LogRecord).offset + 1);
  }

  async revoked(partition: number): Promise<void> {
    this.revokedPartitions.push(partition);
  }

  outOfRange(_partition: number, error: PositionOutOfRange): void {
    this.outOfRangeErrors.push(error);
  }

  of(partition: number): LogRecord[] {
    return this.seen.filter((seen) => seen.partition === partition);
  }
}
