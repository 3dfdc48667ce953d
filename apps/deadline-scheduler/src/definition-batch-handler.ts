import { shardOf, type AbsenceRules } from '@flatline/domain';
import {
  type EventLog,
  type LogRecord,
  type PartitionHandler,
  PositionMoved,
  type PositionOutOfRange,
} from '@flatline/event-log';
import {
  DEADLINE_SCHEDULER_GROUP,
  eventParser,
  heartbeatDefined,
  heartbeatDeleted,
  HEARTBEATS_TOPIC,
  MalformedEvent,
} from '@flatline/events';
import {
  bury,
  type ConsumerPosition,
  isPoison,
  moveOffset,
  nextOffset,
  noteCutOff,
  type PoisonRecord,
  reasonOf,
} from '@flatline/persistence';
import type { Clock, Logger } from '@flatline/service-kernel';
import type { DataSource, EntityManager } from 'typeorm';
import { foldDefinition, type Folded } from './fold';
import type { HistoryStore } from './history-store';
import type { RuntimeStore } from './runtime-store';
import type { SchedulerMetrics } from './scheduler-metrics';
import type { ShardProgressStore } from './shard-progress-store';
import { reportMisfits, reportPoison } from './misfits';
import { merge } from './story';

export interface DefinitionBatchParts {
  readonly dataSource: DataSource;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly runtime: RuntimeStore;
  readonly history: HistoryStore;
  readonly progress: ShardProgressStore;
  readonly rules: AbsenceRules;
  readonly metrics: SchedulerMetrics;
  readonly partitions: number;
  readonly arm: (folded: readonly Folded[]) => void;
  readonly disarm: (heartbeatIds: readonly string[]) => void;
}

const parse = eventParser(heartbeatDefined, heartbeatDeleted);

/**
 * Takes changed definitions over as soon as they are published, so that a shorter interval or a resume gets its timer
 * at once. What is applied is the newest definition in the table, whatever the event carries: a definition was committed
 * before anybody heard of it.
 */
export class DefinitionBatchHandler implements PartitionHandler {
  private readonly offsets = new Map<number, number>();

  constructor(private readonly parts: DefinitionBatchParts) {}

  async position(partition: number): Promise<number> {
    const { dataSource, log, clock } = this.parts;
    const { start } = await log.bounds(HEARTBEATS_TOPIC, partition);
    const offset = await nextOffset(
      dataSource.manager,
      positionOf(partition),
      { identity: log.identity(), start },
      clock.now(),
    );
    this.offsets.set(partition, offset);
    return offset;
  }

  async outOfRange(partition: number, found: PositionOutOfRange): Promise<void> {
    const { dataSource, clock } = this.parts;
    await noteCutOff(dataSource.manager, positionOf(partition), found, clock.now());
  }

  async handle(partition: number, records: readonly LogRecord[]): Promise<void> {
    const { logger, arm, disarm, metrics } = this.parts;
    const from = this.offsets.get(partition);
    const last = records.at(-1);
    if (!last) return;
    if (from === undefined || from !== records[0]?.offset) throw new PositionMoved();
    const read = readDefinitions(records);
    const move = { from, to: last.offset + 1 };
    let applied: AppliedDefinitions;
    try {
      applied = await this.commit(partition, move, read, (manager) => this.applyTogether(manager, read.defined));
    } catch (error) {
      if (!isPoison(error)) throw error;
      applied = await this.commit(partition, move, read, (manager) => this.applyOneByOne(manager, read.defined));
    }
    const { folded, poison } = applied;

    this.offsets.set(partition, move.to);
    metrics.noteFolded(folded);
    metrics.deadLetters.inc(poison.length);
    reportMisfits(folded, logger);
    reportPoison(poison, logger);
    arm(folded);
    if (read.deleted.length > 0) disarm(read.deleted);
  }

  revoked(partition: number): Promise<void> {
    this.offsets.delete(partition);
    return Promise.resolve();
  }

  /** What could not be read or applied goes to the dead letters, in the transaction that moves past it. */
  private commit(
    partition: number,
    move: { readonly from: number; readonly to: number },
    { deleted, poison: unread }: ReadDefinitions,
    apply: (manager: EntityManager) => Promise<AppliedDefinitions>,
  ): Promise<AppliedDefinitions> {
    const { dataSource, history, clock } = this.parts;
    return dataSource.transaction(async (manager) => {
      const { folded, poison: refused } = await apply(manager);
      const poison = [...unread, ...refused];
      await bury(manager, poison, clock.now());
      if (deleted.length > 0) await history.forget(manager, deleted);
      if (!(await moveOffset(manager, positionOf(partition), move, clock.now()))) throw new PositionMoved();
      return { folded, poison };
    });
  }

  private async applyOneByOne(manager: EntityManager, defined: Defined): Promise<AppliedDefinitions> {
    const folded: Folded[] = [];
    const poison: PoisonRecord[] = [];
    for (const [heartbeatId, record] of defined) {
      try {
        const alone: Defined = new Map([[heartbeatId, record]]);
        const one = await manager.transaction((savepoint) => this.applyTogether(savepoint, alone));
        folded.push(...one.folded);
      } catch (error) {
        if (!isPoison(error)) throw error;
        poison.push({ record, reason: reasonOf(error) });
      }
    }
    return { folded, poison };
  }

  private async applyTogether(manager: EntityManager, defined: Defined): Promise<AppliedDefinitions> {
    if (defined.size === 0) return { folded: [], poison: [] };
    const { runtime, history, progress, rules, clock, partitions } = this.parts;
    const now = clock.now();
    const locked = await runtime.lock(manager, [...defined.keys()], now);
    const folded: Folded[] = [];
    const absences = new Map<number, Awaited<ReturnType<ShardProgressStore['absences']>>>();
    for (const heartbeat of locked.values()) {
      const shard = shardOf(heartbeat.definition.heartbeatId, partitions);
      const known = absences.get(shard) ?? (await progress.absences(manager, shard, now));
      absences.set(shard, known);
      folded.push(foldDefinition(heartbeat, { absences: known, rules }, now));
    }
    await runtime.write(
      manager,
      folded.filter((result) => result.changed),
    );
    await history.writeStory(manager, merge(folded.map((result) => result.story)), now);
    return { folded, poison: [] };
  }
}

/** A heartbeat and the record that says that its definition changed. */
type Defined = ReadonlyMap<string, LogRecord>;

interface ReadDefinitions {
  readonly defined: Defined;
  readonly deleted: readonly string[];
  readonly poison: readonly PoisonRecord[];
}

interface AppliedDefinitions {
  readonly folded: readonly Folded[];
  readonly poison: readonly PoisonRecord[];
}

function readDefinitions(records: readonly LogRecord[]): ReadDefinitions {
  const defined = new Map<string, LogRecord>();
  const deleted = new Set<string>();
  const poison: PoisonRecord[] = [];
  for (const record of records) {
    try {
      const event = parse(record.value);
      if (event.type === 'heartbeat.deleted') deleted.add(event.data.heartbeatId);
      else defined.set(event.data.heartbeatId, record);
    } catch (error) {
      if (!(error instanceof MalformedEvent)) throw error;
      poison.push({ record, reason: error.message });
    }
  }
  deleted.forEach((id) => defined.delete(id));
  return { defined, deleted: [...deleted], poison };
}

function positionOf(partition: number): ConsumerPosition {
  return { group: DEADLINE_SCHEDULER_GROUP, topic: HEARTBEATS_TOPIC, partition };
}
