import {
  absencesUntil,
  applyPulse,
  isBlackout,
  notePing,
  overSince,
  presumedAbsences,
  withAbsences,
  type Absence,
  type AbsenceRules,
  type ShardProgress,
} from '@flatline/domain';
import {
  type EventLog,
  type LogRecord,
  type PartitionHandler,
  PositionMoved,
  type PositionOutOfRange,
} from '@flatline/event-log';
import { PINGS_TOPIC } from '@flatline/events';
import type { HealthRegistry, Logger, Tracing } from '@flatline/service-kernel';
import { type BatchEvent, readBatch } from './batch';
import { BatchTransaction, type BatchTransactionParts } from './batch-transaction';
import type { Folded } from './fold';
import type { LogClockWatch } from './log-clock-watch';
import { reportMisfits, reportPoison } from './misfits';
import type { SchedulerMetrics } from './scheduler-metrics';
import type { ShardPosition } from './shard-progress-store';
import { SharedTransactions } from './shared-transactions';
import { applySpans, endSpans } from './story-spans';

export interface PingBatchParts extends BatchTransactionParts {
  readonly log: EventLog;
  readonly logger: Logger;
  readonly health: Pick<HealthRegistry, 'happened'>;
  readonly rules: AbsenceRules;
  readonly metrics: SchedulerMetrics;
  readonly tracing: Tracing;
  /** After the commit, never before: timers to move. */
  readonly arm: (folded: readonly Folded[]) => void;
  readonly logClock: Pick<LogClockWatch, 'noteRead'>;
  /** After the commit: the watermark of a shard is now this. */
  readonly watermarkMoved: (shard: number, watermark: number) => void;
  /** This process reads the shard now; called again after failures. */
  readonly assigned: (shard: number) => Promise<void>;
  readonly revoked: (shard: number) => Promise<void>;
}

/** What this process knows of a shard it reads; always what was committed last. */
interface KnownShard {
  readonly position: ShardPosition;
  readonly absences: readonly Absence[];
}

interface Advance {
  readonly progress: ShardProgress;
  /** All that are known now. */
  readonly absences: readonly Absence[];
  /** The instant to which the clock of the log was set back, if it was. */
  readonly takenBackTo: number | null;
  readonly missingRecords: number;
}

/**
 * Reads the batches of the shards that this process owns and hands them on to be applied, each with what its pulses mean
 * for the watermark. What it knows of a shard it knows from its assignment on and forgets when it is revoked; the
 * transaction finds out when that is out of date. Only after the commit are timers moved.
 */
export class PingBatchHandler implements PartitionHandler {
  private readonly shards = new Map<number, KnownShard>();
  private readonly transactions: SharedTransactions;

  constructor(private readonly parts: PingBatchParts) {
    this.transactions = new SharedTransactions(new BatchTransaction(parts));
  }

  async position(shard: number): Promise<number> {
    const { dataSource, log, progress, clock } = this.parts;
    const { start } = await log.bounds(PINGS_TOPIC, shard);
    const position = await progress.read(dataSource.manager, shard, { identity: log.identity(), start }, clock.now());
    const absences = await progress.absences(dataSource.manager, shard, clock.now());
    this.shards.set(shard, { position, absences });
    await this.parts.assigned(shard);
    return position.nextOffset;
  }

  async outOfRange(shard: number, found: PositionOutOfRange): Promise<void> {
    const { dataSource, progress, clock } = this.parts;
    await progress.noteCutOff(dataSource.manager, shard, found, clock.now());
  }

  async handle(shard: number, records: readonly LogRecord[]): Promise<void> {
    const { rules, logger, arm, watermarkMoved, metrics, tracing } = this.parts;
    this.parts.logClock.noteRead(shard, records);
    const known = this.shards.get(shard);
    const first = records[0];
    const last = records.at(-1);
    if (!first || !last) return;
    if (known?.position.nextOffset !== first.offset) throw new PositionMoved();

    const batch = readBatch(records);
    const advance = advanceProgress(known, batch.events, rules.leaseMs);
    const { absences, takenBackTo } = advance;
    const { waiting } = known.position;
    const to: ShardPosition = { nextOffset: last.offset + 1, progress: advance.progress, waiting };
    const over = overSince(absences, known.position.progress.watermark, advance.progress.watermark);
    const spans = applySpans(tracing, batch.pings, shard);
    const applied = await this.transactions.apply({
      shard,
      batch,
      from: known.position.nextOffset,
      to,
      watermarkMoved: advance.progress.watermark !== known.position.progress.watermark,
      absences: { takenBackTo, changed: changedSince(known.absences, absences, takenBackTo), over },
      context: { absences: withAbsences(absences, presumedAbsences(advance.progress)), rules },
      spans,
    });
    endSpans(spans);

    const { folded, poison } = applied;
    this.shards.set(shard, { position: { ...to, waiting: applied.waiting }, absences });
    metrics.pingsApplied.inc(batch.pings.length);
    metrics.deadLetters.inc(poison.length);
    metrics.noteFolded(folded);
    metrics.noteAbsences(over, rules);
    this.reportMissing(shard, advance.missingRecords);
    this.reportBlackouts(shard, over);
    reportMisfits(folded, logger);
    reportPoison(poison, logger);
    arm(folded);
    if (to.progress.watermark !== null) watermarkMoved(shard, to.progress.watermark);
  }

  async revoked(shard: number): Promise<void> {
    this.shards.delete(shard);
    await this.parts.revoked(shard);
  }

  private reportBlackouts(shard: number, over: readonly Absence[]): void {
    for (const blackout of over.filter((absence) => isBlackout(absence, this.parts.rules))) {
      const { startedAt, endedAt } = blackout;
      const seconds = Math.round((endedAt - startedAt) / 1000);
      const from = new Date(startedAt).toISOString();
      this.parts.logger.warn({ shard, from, seconds }, 'jobs could not reach us: deadlines of that time are unknown');
    }
  }

  private reportMissing(shard: number, count: number): void {
    if (count === 0) return;
    this.parts.metrics.recordsMissing.inc(count);
    this.parts.logger.error({ shard, count }, 'pings that were acknowledged are not in the event log: data was lost');
    this.parts.health.happened(
      'records_missing',
      `${count} acknowledged pings of shard ${shard} are not in the event log`,
    );
  }
}

/** Absences that were added, or the last of the known ones when it became longer. */
function changedSince(
  before: readonly Absence[],
  now: readonly Absence[],
  takenBackTo: number | null,
): readonly Absence[] {
  const known = takenBackTo === null ? before : absencesUntil(before, takenBackTo);
  const last = known.at(-1);
  const isKnown = ({ startedAt, endedAt }: Absence): boolean =>
    startedAt === last?.startedAt && endedAt === last.endedAt;
  return now.slice(Math.max(0, known.length - 1)).filter((absence) => !isKnown(absence));
}

/** Lets the records of a batch move the progress of a shard, in the order of the log. */
function advanceProgress(known: KnownShard, events: readonly BatchEvent[], leaseMs: number): Advance {
  let { progress } = known.position;
  let { absences } = known;
  let takenBackTo: number | null = null;
  let missingRecords = 0;
  for (const event of events) {
    if (event.kind === 'ping') {
      progress = notePing(progress, event.ping);
      continue;
    }
    const result = applyPulse(progress, event.pulse, event.appendedAt, leaseMs);
    if (isBefore(result.progress.watermark, progress.watermark)) {
      takenBackTo = Math.min(event.appendedAt, takenBackTo ?? event.appendedAt);
      absences = absencesUntil(absences, event.appendedAt);
    }
    progress = result.progress;
    absences = withAbsences(absences, result.absences);
    missingRecords += result.missingRecords;
  }
  return { progress, absences, takenBackTo, missingRecords };
}

/** Whether the watermark went back, which it does with the clock of the log alone. */
function isBefore(watermark: number | null, known: number | null): boolean {
  return watermark !== null && known !== null && watermark < known;
}
