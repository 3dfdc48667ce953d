import type { EventLog, LogRecord } from '@flatline/event-log';
import { PINGS_TOPIC } from '@flatline/events';
import type { Clock, ClockSkew, Logger } from '@flatline/service-kernel';

export interface LogClockParts {
  readonly log: Pick<EventLog, 'bounds'>;
  readonly clock: Clock;
  readonly skew: ClockSkew;
  readonly logger: Logger;
  /** The shards that this process reads. */
  readonly owned: ReadonlySet<number>;
}

const ASK_EVERY_MS = 2_000;

/** Where a shard of the log ended, asked for just after `before` by our clock. */
interface AskedEnd {
  readonly before: number;
  readonly end: number;
}

/**
 * Compares our clock with that of the log. A scheduler appends nothing to the log that would tell, so it asks now and then
 * where a shard ends: a record that lies beyond that was appended after the question, and before it was read.
 */
export class LogClockWatch {
  private readonly asked = new Map<number, AskedEnd>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly parts: LogClockParts) {}

  start(): void {
    this.timer = setInterval(() => void this.ask(), ASK_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Call with the records of a shard as soon as they are read. */
  noteRead(shard: number, records: readonly LogRecord[]): void {
    const asked = this.asked.get(shard);
    const record = asked && records.find(({ offset }) => offset >= asked.end);
    if (!record) return;
    this.asked.delete(shard);
    const { skew, clock, logger } = this.parts;
    skew.noteAloud({ before: asked.before, after: clock.now(), logAt: record.appendedAt }, logger, 'not ready');
  }

  /** Forgets a shard that is another process's now. */
  revoked(shard: number): void {
    this.asked.delete(shard);
  }

  /** One shard is enough: all of them are in the same log. */
  async ask(): Promise<void> {
    const { log, clock, owned, logger } = this.parts;
    const [shard] = owned;
    if (shard === undefined || this.asked.has(shard)) return;
    try {
      const before = clock.now();
      const { end } = await log.bounds(PINGS_TOPIC, shard);
      this.asked.set(shard, { before, end });
    } catch (error) {
      logger.debug({ err: error }, 'where the event log ends could not be asked; readiness speaks of the log itself');
    }
  }
}
