import { shardOf, type AbsenceRules } from '@flatline/domain';
import { type EventLog, type LogRecord, type PartitionHandler, PositionMoved } from '@flatline/event-log';
import {
  DEADLINE_SCHEDULER_GROUP,
  eventParser,
  heartbeatDefined,
  heartbeatDeleted,
  HEARTBEATS_TOPIC,
  MalformedEvent,
} from '@flatline/events';
import { moveOffset, nextOffset } from '@flatline/persistence';
import type { Clock, Logger } from '@flatline/service-kernel';
import type { DataSource, EntityManager } from 'typeorm';
import { foldDefinition, type Folded } from './fold';
import type { HistoryStore } from './history-store';
import type { RuntimeStore } from './runtime-store';
import type { SchedulerMetrics } from './scheduler-metrics';
import type { ShardProgressStore } from './shard-progress-store';
import { reportMisfits } from './misfits';
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
      { group: DEADLINE_SCHEDULER_GROUP, topic: HEARTBEATS_TOPIC, partition },
      { identity: log.identity(), start },
      clock.now(),
    );
    this.offsets.set(partition, offset);
    return offset;
  }

  async handle(partition: number, records: readonly LogRecord[]): Promise<void> {
    const { dataSource, clock, history, arm, disarm, metrics } = this.parts;
    const from = this.offsets.get(partition);
    const last = records.at(-1);
    if (!last) return;
    if (from === undefined || from !== records[0]?.offset) throw new PositionMoved();
    const to = last.offset + 1;
    const { defined, deleted } = this.read(records);

    const folded = await dataSource.transaction(async (manager) => {
      const results = await this.apply(manager, defined);
      if (deleted.length > 0) await history.forget(manager, deleted);
      const position = { group: DEADLINE_SCHEDULER_GROUP, topic: HEARTBEATS_TOPIC, partition };
      if (!(await moveOffset(manager, position, { from, to }, clock.now()))) throw new PositionMoved();
      return results;
    });

    this.offsets.set(partition, to);
    metrics.noteFolded(folded);
    reportMisfits(folded, this.parts.logger);
    arm(folded);
    if (deleted.length > 0) disarm(deleted);
  }

  revoked(partition: number): Promise<void> {
    this.offsets.delete(partition);
    return Promise.resolve();
  }

  private read(records: readonly LogRecord[]): { defined: string[]; deleted: string[] } {
    const defined = new Set<string>();
    const deleted = new Set<string>();
    for (const record of records) {
      try {
        const event = parse(record.value);
        (event.type === 'heartbeat.deleted' ? deleted : defined).add(event.data.heartbeatId);
      } catch (error) {
        if (!(error instanceof MalformedEvent)) throw error;
        this.parts.logger.error(
          { reason: error.message, partition: record.partition, offset: record.offset },
          'a definition event could not be read; the judge finds the definition in the table',
        );
      }
    }
    deleted.forEach((id) => defined.delete(id));
    return { defined: [...defined], deleted: [...deleted] };
  }

  private async apply(manager: EntityManager, heartbeatIds: readonly string[]): Promise<Folded[]> {
    if (heartbeatIds.length === 0) return [];
    const { runtime, history, progress, rules, clock, partitions } = this.parts;
    const now = clock.now();
    const locked = await runtime.lock(manager, heartbeatIds);
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
    return folded;
  }
}
