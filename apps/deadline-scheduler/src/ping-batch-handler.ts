import {
  applyPulse,
  notePing,
  type Absence,
  type AbsenceRules,
  type RuleContext,
  type ShardProgress,
} from '@flatline/domain';
import { type EventLog, type LogRecord, type PartitionHandler, PositionMoved } from '@flatline/event-log';
import { PINGS_TOPIC } from '@flatline/events';
import { bury, type PoisonRecord } from '@flatline/persistence';
import type { Clock, Logger, Tracing } from '@flatline/service-kernel';
import type { DataSource, EntityManager } from 'typeorm';
import { type Batch, type BatchEvent, type LoggedPing, readBatch, signalsByHeartbeat } from './batch';
import { foldSignals, type Folded } from './fold';
import type { HistoryStore } from './history-store';
import type { RuntimeStore } from './runtime-store';
import type { SchedulerMetrics } from './scheduler-metrics';
import type { ShardPosition, ShardProgressStore } from './shard-progress-store';
import { reportMisfits } from './misfits';
import { isPoison, reasonOf } from './poison';
import { merge } from './story';
import { applySpans, endSpans, type StorySpans, traced } from './story-spans';
import { Turnstile } from './turnstile';

export interface PingBatchParts {
  readonly dataSource: DataSource;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly runtime: RuntimeStore;
  readonly history: HistoryStore;
  readonly progress: ShardProgressStore;
  readonly rules: AbsenceRules;
  readonly metrics: SchedulerMetrics;
  readonly tracing: Tracing;
  /** After the commit, never before: timers to move. */
  readonly arm: (folded: readonly Folded[]) => void;
  /** After the commit: the watermark of a shard is now this. */
  readonly watermarkMoved: (shard: number, watermark: number) => void;
  /** This process reads the shard now; called again after failures. */
  readonly assigned: (shard: number) => Promise<void>;
  readonly revoked: (shard: number) => Promise<void>;
}

/**
 * Batches of different shards that are in a transaction at the same time. Two keep this process and Postgres busy; the
 * pulses reach all shards in the same instant, and each further one would hold a connection for it.
 */
const BATCHES_AT_ONCE = 2;

/** What this process knows of a shard it reads; always what was committed last. */
interface KnownShard {
  readonly position: ShardPosition;
  readonly absences: readonly Absence[];
}

/** What the pings of a batch are applied with. */
interface BatchContext extends RuleContext {
  readonly spans: StorySpans;
}

interface Applied {
  readonly folded: readonly Folded[];
  readonly poison: readonly PoisonRecord[];
}

type ApplyPings = (
  manager: EntityManager,
  pings: readonly LoggedPing[],
  context: BatchContext,
  now: number,
) => Promise<Applied>;

interface Advance {
  readonly progress: ShardProgress;
  readonly absences: readonly Absence[];
  readonly missingRecords: number;
}

/**
 * Applies a batch of pings and pulses of one shard in one transaction, exactly once:
 *
 * 1. lock the runtime rows of the batch in the order of their ids, with their newest definitions
 * 2. fold the pings through the deadline rule
 * 3. write rows, history, incidents and events
 * 4. let the pulses move the watermark, and note absences
 * 5. move the position from where it is expected; when it is not there, everything is rolled back
 *
 * When something in the batch is poison, steps 1 to 3 are done ping by ping, each under a savepoint, and the offender
 * goes to the dead letters in the same transaction. Only after the commit are timers moved. A crash anywhere, a rebalance or a zombie changes nothing twice.
 */
export class PingBatchHandler implements PartitionHandler {
  private readonly shards = new Map<number, KnownShard>();
  private readonly turnstile = new Turnstile(BATCHES_AT_ONCE);

  constructor(private readonly parts: PingBatchParts) {}

  async position(shard: number): Promise<number> {
    const { dataSource, log, progress, clock } = this.parts;
    const { start } = await log.bounds(PINGS_TOPIC, shard);
    const position = await progress.read(dataSource.manager, shard, { identity: log.identity(), start }, clock.now());
    const absences = await progress.absences(dataSource.manager, shard, clock.now());
    this.shards.set(shard, { position, absences });
    await this.parts.assigned(shard);
    return position.nextOffset;
  }

  async handle(shard: number, records: readonly LogRecord[]): Promise<void> {
    const { dataSource, progress, clock, logger, arm, watermarkMoved, metrics } = this.parts;
    const known = this.shards.get(shard);
    const first = records[0];
    const last = records.at(-1);
    if (!first || !last) return;
    if (known?.position.nextOffset !== first.offset) throw new PositionMoved();

    const batch = readBatch(records);
    const advance = advanceProgress(known.position.progress, batch.events, this.parts.rules.leaseMs);
    const next: ShardPosition = { nextOffset: last.offset + 1, progress: advance.progress };
    const spans = applySpans(this.parts.tracing, batch.pings, shard);
    const context = { absences: [...known.absences, ...advance.absences], rules: this.parts.rules, spans };
    const { folded, poison } = await this.commit(shard, { batch, advance, context }, known, next);
    endSpans(spans);

    const absences =
      advance.absences.length > 0 ? await progress.absences(dataSource.manager, shard, clock.now()) : known.absences;
    this.shards.set(shard, { position: next, absences });
    metrics.pingsApplied.inc(batch.pings.length);
    metrics.deadLetters.inc(poison.length);
    metrics.noteFolded(folded);
    this.reportMissing(shard, advance.missingRecords);
    reportMisfits(folded, logger);
    arm(folded);
    if (next.progress.watermark !== null) watermarkMoved(shard, next.progress.watermark);
  }

  async revoked(shard: number): Promise<void> {
    this.shards.delete(shard);
    await this.parts.revoked(shard);
  }

  /** Applies the batch as a whole or, when something in it is poison, record by record. */
  private async commit(
    shard: number,
    { batch, advance, context }: { batch: Batch; advance: Advance; context: BatchContext },
    known: KnownShard,
    next: ShardPosition,
  ): Promise<Applied> {
    const { dataSource, progress, clock } = this.parts;
    const attempt = (applyPings: ApplyPings): Promise<Applied> =>
      this.turnstile.pass(() =>
        dataSource.transaction(async (manager) => {
          const now = clock.now();
          const applied = await applyPings(manager, batch.pings, context, now); // 1 to 3
          const poison = [...batch.poison, ...applied.poison];
          await bury(manager, poison, now);
          await progress.addAbsences(manager, shard, advance.absences); // 4
          if (!(await progress.move(manager, shard, known.position.nextOffset, next, now))) throw new PositionMoved(); // 5
          return { folded: applied.folded, poison };
        }),
      );
    try {
      return await attempt((...call) => this.applyTogether(...call));
    } catch (error) {
      if (!isPoison(error)) throw error;
      return attempt((...call) => this.applyOneByOne(...call));
    }
  }

  private async applyTogether(
    manager: EntityManager,
    pings: readonly LoggedPing[],
    context: BatchContext,
    now: number,
  ): Promise<Applied> {
    if (pings.length === 0) return { folded: [], poison: [] };
    const { runtime, history } = this.parts;
    const signals = signalsByHeartbeat(pings);
    const locked = await runtime.lock(manager, [...signals.keys()]); // 1
    const folded = [...locked].map(([id, heartbeat]) => foldSignals(heartbeat, signals.get(id) ?? [], context, now)); // 2
    await runtime.write(manager, folded); // 3
    await history.writePings(
      manager,
      pings.filter((ping) => locked.has(ping.heartbeatId)),
    );
    const story = merge(folded.map((result) => result.story));
    await history.writeStory(manager, traced(story, context.spans), now);
    return { folded, poison: [] };
  }

  /** Each ping under a savepoint of its own; the one that cannot be applied goes to the dead letters, the others stay. */
  private async applyOneByOne(
    manager: EntityManager,
    pings: readonly LoggedPing[],
    context: BatchContext,
    now: number,
  ): Promise<Applied> {
    const folded: Folded[] = [];
    const poison: PoisonRecord[] = [];
    for (const ping of pings) {
      try {
        const one = await manager.transaction((savepoint) => this.applyTogether(savepoint, [ping], context, now));
        folded.push(...one.folded);
      } catch (error) {
        if (!isPoison(error)) throw error;
        poison.push({ record: ping.record, reason: reasonOf(error) });
      }
    }
    return { folded, poison };
  }

  private reportMissing(shard: number, count: number): void {
    if (count === 0) return;
    this.parts.metrics.recordsMissing.inc(count);
    this.parts.logger.error({ shard, count }, 'pings that were acknowledged are not in the event log: data was lost');
  }
}

/** Lets the records of a batch move the progress of a shard, in the order of the log. */
function advanceProgress(before: ShardProgress, events: readonly BatchEvent[], leaseMs: number): Advance {
  let progress = before;
  const absences: Absence[] = [];
  let missingRecords = 0;
  for (const event of events) {
    if (event.kind === 'ping') {
      progress = notePing(progress, event.ping);
      continue;
    }
    const result = applyPulse(progress, event.pulse, event.appendedAt, leaseMs);
    progress = result.progress;
    absences.push(...result.absences);
    missingRecords += result.missingRecords;
  }
  return { progress, absences, missingRecords };
}
