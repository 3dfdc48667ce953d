import type { ChannelRegistry } from '@flatline/channels';
import {
  type EventLog,
  type LogRecord,
  type PartitionHandler,
  PositionMoved,
  type PositionOutOfRange,
} from '@flatline/event-log';
import { INCIDENTS_TOPIC, NOTIFIER_GROUP } from '@flatline/events';
import { bury, isPoison, moveOffset, nextOffset, noteCutOff, type PoisonRecord, reasonOf } from '@flatline/persistence';
import type { Clock, Logger, Tracing } from '@flatline/service-kernel';
import type { DataSource, EntityManager } from 'typeorm';
import type { DefaultChannels } from './default-channels';
import type { NotificationStore, ProjectChannel } from './notification-store';
import { type PlanSpans, planSpans, withTraces } from './notification-spans';
import type { NotifierMetrics } from './notifier-metrics';
import type { PlannableChannel, PlannedNotification } from './plan-notifications';
import { lateDowns, planNotifications } from './plan-notifications';
import { readIncidents } from './read-incidents';
import type { ToldIncident } from './read-incidents';

export interface IncidentConsumerParts {
  readonly dataSource: DataSource;
  readonly log: EventLog;
  readonly store: NotificationStore;
  readonly channels: ChannelRegistry;
  readonly defaults: DefaultChannels;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: NotifierMetrics;
  readonly tracing: Tracing;
  /** After the commit, never before: these are due. */
  readonly planned: (notifications: readonly PlannedNotification[]) => void;
}

/** The records of a batch, read. */
interface Told {
  readonly incidents: readonly ToldIncident[];
  readonly poison: readonly PoisonRecord[];
  readonly spans: PlanSpans;
}

interface Plan {
  readonly planned: PlannedNotification[];
  readonly poison: readonly PoisonRecord[];
}

/**
 * Turns incidents into notifications, each batch of a partition in one transaction, exactly once:
 *
 * 1. move the position from where it is expected; when it is not there, roll back and read it again. First, because
 *    the lock on it lets one batch of a partition be planned at a time, so that `seq` follows the log
 * 2. put aside what cannot be read
 * 3. find the channels of the projects and what was planned for these incidents before
 * 4. plan, and write the notifications
 *
 * What the database refuses as data goes to the dead letters, found by planning record by record; the others go on.
 */
export class IncidentConsumer implements PartitionHandler {
  constructor(private readonly parts: IncidentConsumerParts) {}

  async position(partition: number): Promise<number> {
    const { log, dataSource, clock } = this.parts;
    const { start } = await log.bounds(INCIDENTS_TOPIC, partition);
    return nextOffset(dataSource.manager, positionOf(partition), { identity: log.identity(), start }, clock.now());
  }

  async outOfRange(partition: number, found: PositionOutOfRange): Promise<void> {
    const { dataSource, clock } = this.parts;
    await noteCutOff(dataSource.manager, positionOf(partition), found, clock.now());
  }

  async handle(partition: number, records: readonly LogRecord[]): Promise<void> {
    const { metrics, logger, tracing, planned: onPlanned } = this.parts;
    const read = readIncidents(records);
    const told: Told = { ...read, spans: planSpans(tracing, read.incidents) };
    let plan: Plan;
    try {
      plan = await this.inTransaction(partition, records, (manager) => this.planTogether(manager, told));
    } catch (error) {
      if (!isPoison(error)) throw error;
      plan = await this.inTransaction(partition, records, (manager) => this.planOneByOne(manager, told));
    }
    told.spans.forEach((span) => span.end());
    for (const { record, reason } of plan.poison) {
      logger.error({ topic: record.topic, partition, offset: record.offset, reason }, 'an incident was put aside');
    }
    metrics.notePlanned(plan.planned);
    metrics.deadLetters.inc(plan.poison.length);
    onPlanned(plan.planned);
  }

  private inTransaction(
    partition: number,
    records: readonly LogRecord[],
    work: (manager: EntityManager) => Promise<Plan>,
  ): Promise<Plan> {
    const { dataSource, clock } = this.parts;
    const [first, last] = [records[0], records.at(-1)];
    if (!first || !last) return Promise.resolve({ planned: [], poison: [] });
    const move = { from: first.offset, to: last.offset + 1 };
    return dataSource.transaction(async (manager) => {
      if (!(await moveOffset(manager, positionOf(partition), move, clock.now()))) throw new PositionMoved(); // 1
      return work(manager);
    });
  }

  private async planTogether(manager: EntityManager, { incidents, poison, spans }: Told): Promise<Plan> {
    await bury(manager, poison, this.parts.clock.now()); // 2
    return { planned: await this.plan(manager, incidents, spans), poison };
  }

  private async planOneByOne(manager: EntityManager, told: Told): Promise<Plan> {
    const { clock } = this.parts;
    const poison = [...told.poison];
    const planned: PlannedNotification[] = [];
    for (const incident of told.incidents) {
      try {
        planned.push(...(await manager.transaction((savepoint) => this.plan(savepoint, [incident], told.spans))));
      } catch (error) {
        if (!isPoison(error)) throw error;
        poison.push({ record: incident.record, reason: reasonOf(error) });
      }
    }
    await bury(manager, poison, clock.now());
    return { planned, poison };
  }

  private async plan(
    manager: EntityManager,
    incidents: readonly ToldIncident[],
    spans: PlanSpans,
  ): Promise<PlannedNotification[]> {
    if (incidents.length === 0) return [];
    const { store, clock } = this.parts;
    const projectIds = [...new Set(incidents.map(({ facts }) => facts.projectId))];
    const incidentIds = [...new Set(incidents.map(({ facts }) => facts.incident.id))];
    const stored = await store.channelsOf(manager, projectIds); // 3
    const known = await store.known(manager, incidentIds);
    const planned = planNotifications(incidents, this.audiences(stored), known); // 4
    await store.insert(manager, withTraces(planned, spans), clock.now());
    await store.retellRecoveries(manager, lateDowns(planned, known), clock.now());
    return planned;
  }

  private audiences(stored: readonly ProjectChannel[]): (projectId: string) => readonly PlannableChannel[] {
    const defaults = this.parts.defaults.configured.map((channel) => this.plannable(channel));
    const byProject = new Map<string, PlannableChannel[]>();
    for (const channel of stored) {
      const ofProject = byProject.get(channel.projectId) ?? [];
      ofProject.push(this.plannable(channel));
      byProject.set(channel.projectId, ofProject);
    }
    return (projectId) => [...(byProject.get(projectId) ?? []), ...defaults];
  }

  private plannable({ id, kind }: { readonly id: string; readonly kind: string }): PlannableChannel {
    const implementation = this.parts.channels.find(kind);
    if (!implementation) return { id, kind, unusable: 'unknown_kind' };
    return { id, kind, unusable: implementation.missing === null ? null : 'not_configured' };
  }
}

function positionOf(partition: number) {
  return { group: NOTIFIER_GROUP, topic: INCIDENTS_TOPIC, partition };
}
