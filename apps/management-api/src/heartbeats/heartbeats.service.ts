import { Inject, Injectable } from '@nestjs/common';
import { cronRefusal, type HeartbeatDefinition, openPause, type Schedule } from '@flatline/domain';
import { type Announced, DATABASE_CLOCK, DefinitionAnnouncer, enqueue } from '@flatline/persistence';
import { type Clock, CONFIG, type FlatlineConfig, Problem, PublicUrl, requireVariable } from '@flatline/service-kernel';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { cursorOf, type ListPage, type Position } from '../requests/page';
import { changeDefinition, type DefinitionChange } from './definition-change';
import { definedEvent, deletedEvent } from './heartbeat-events';
import {
  type CreateHeartbeat,
  DEFAULT_INTERVAL_SECS,
  type HeartbeatList,
  type HeartbeatView,
} from './heartbeat-schemas';
import { HeartbeatStore } from './heartbeat-store';
import { type StoredHeartbeat, type ViewContext, viewOf } from './heartbeat-view';
import { complaintAbout, NEEDS_A_SCHEDULE } from './schedule-fields';

/** Rows read and turned into views in one go; between two goes the process does other things, such as taking pings. */
const LIST_CHUNK = 500;
/** Page size when a cursor is given without a limit. */
const PAGE_DEFAULT = 100;

/** What people can do with heartbeats. Every change is one transaction with the event that tells of it. */
@Injectable()
export class HeartbeatsService {
  private readonly keyring: ViewContext['keyring'];

  constructor(
    @Inject(CONFIG) private readonly config: FlatlineConfig,
    // People see one process or the other: what is written of a pause must not depend on whose clock is right.
    @Inject(DATABASE_CLOCK) private readonly clock: Clock,
    private readonly dataSource: DataSource,
    private readonly announcer: DefinitionAnnouncer,
    private readonly store: HeartbeatStore,
    private readonly publicUrl: PublicUrl,
  ) {
    this.keyring = requireVariable(config, 'PING_TOKEN_KEYS');
  }

  /** @throws Problem 402 when the project has all the heartbeats it may have, 422 for a schedule that never matches */
  async create(projectId: string, input: CreateHeartbeat): Promise<HeartbeatView> {
    const now = this.clock.now();
    const definition: HeartbeatDefinition = {
      heartbeatId: uuidv7({ msecs: now }),
      projectId,
      version: 1,
      name: input.name,
      schedule: scheduleOf(input),
      graceSecs: input.grace_secs,
      alertAfterMisses: input.alert_after_misses,
      scheduleChangedAt: now,
      pauseSpans: [],
      tokenGeneration: 0,
    };
    refuseUnusable(definition.schedule, { expression: input.schedule, timezone: input.timezone });
    await this.dataSource.transaction(async (manager) => {
      await this.refuseOverQuota(manager, projectId);
      await this.store.insert(manager, definition, now);
      await enqueue(manager, [definedEvent(definition, now)]);
    });
    return this.view({ definition, state: null, misfit: null, createdAt: now, updatedAt: now });
  }

  /** @throws Problem 404 */
  async get(projectId: string, id: string): Promise<HeartbeatView> {
    return this.view(found(await this.store.find(projectId, id)));
  }

  /** Makes sure that a heartbeat is there and the project's. @throws Problem 404 */
  async assertExists(projectId: string, id: string): Promise<void> {
    found(await this.store.find(projectId, id));
  }

  async list(projectId: string, page: ListPage): Promise<HeartbeatList> {
    const wanted = page.limit ?? (page.cursor ? PAGE_DEFAULT : Infinity);
    const heartbeats: HeartbeatView[] = [];
    const context = this.viewContext();
    let after: Position | undefined = page.cursor;
    for (;;) {
      const missing = wanted - heartbeats.length;
      const chunk = await this.store.list(projectId, after, Math.min(LIST_CHUNK, missing) + 1);
      const more = chunk.length > Math.min(LIST_CHUNK, missing);
      const taken = more ? chunk.slice(0, -1) : chunk;
      heartbeats.push(...taken.map((each) => viewOf(each, context)));
      const last = taken.at(-1);
      if (!more || !last) return { heartbeats, next_cursor: null };
      after = { at: last.createdAt, id: last.definition.heartbeatId };
      if (heartbeats.length >= wanted) return { heartbeats, next_cursor: cursorOf(after) };
    }
  }

  /** Changes what is named and leaves the rest; naming what is so already changes nothing. @throws Problem 404, 422 */
  async change(projectId: string, id: string, change: DefinitionChange): Promise<HeartbeatView> {
    const { stored, announced } = await this.dataSource.transaction(async (manager) => {
      const before = found(await this.store.findForUpdate(manager, projectId, id));
      const now = this.clock.now();
      const definition = changeDefinition(before.definition, change, now);
      refuseUnusable(definition.schedule, change);
      if (definition === before.definition) return { stored: before, announced: null };
      await this.store.update(manager, definition, now);
      await enqueue(manager, [definedEvent(definition, now)]);
      return {
        stored: { ...before, definition, updatedAt: now },
        announced: await this.announce(manager, definition, { deleted: false }),
      };
    });
    await announced?.heard;
    return this.view(stored);
  }

  /** Deletes for good; the token is dead for ever. @throws Problem 404 */
  async delete(projectId: string, id: string): Promise<void> {
    const announced = await this.dataSource.transaction(async (manager) => {
      const { definition } = found(await this.store.findForUpdate(manager, projectId, id));
      const now = this.clock.now();
      const version = definition.version + 1;
      await this.store.bury(manager, id, version, now);
      await enqueue(manager, [deletedEvent(definition, version, now)]);
      return this.announce(manager, { ...definition, version }, { deleted: true });
    });
    await announced.heard;
  }

  /** Tells whoever answers pings, when the transaction commits. An answer waits until they have heard. */
  private announce(
    manager: EntityManager,
    definition: HeartbeatDefinition,
    { deleted }: { deleted: boolean },
  ): Promise<Announced> {
    const { heartbeatId, version, tokenGeneration } = definition;
    return this.announcer.announce(manager, {
      heartbeatId,
      version,
      paused: openPause(definition) !== undefined,
      deleted,
      tokenGeneration,
    });
  }

  private async refuseOverQuota(manager: EntityManager, projectId: string): Promise<void> {
    const quota = this.config.MAX_HEARTBEATS_PER_PROJECT;
    if (quota === undefined) return;
    if ((await this.store.countForUpdate(manager, projectId)) >= quota) {
      throw new Problem(402, 'heartbeat quota reached');
    }
  }

  private view(heartbeat: StoredHeartbeat): HeartbeatView {
    return viewOf(heartbeat, this.viewContext());
  }

  private viewContext(): ViewContext {
    return { keyring: this.keyring, baseUrl: this.publicUrl.base };
  }
}

function found<Found>(heartbeat: Found | null): Found {
  if (heartbeat === null) throw Problem.notFound();
  return heartbeat;
}

function scheduleOf(input: CreateHeartbeat): Schedule {
  return input.schedule === undefined
    ? { kind: 'interval', intervalSecs: input.interval_secs ?? DEFAULT_INTERVAL_SECS }
    : { kind: 'cron', expression: input.schedule, timezone: input.timezone ?? 'UTC' };
}

/** What a request cannot know by itself: whether the schedule and the zone of the heartbeat go together. */
function refuseUnusable(schedule: Schedule, { expression, timezone }: DefinitionChange): void {
  if (expression === undefined && timezone === undefined) return;
  if (schedule.kind === 'interval') throw Problem.invalid([{ field: 'timezone', message: NEEDS_A_SCHEDULE }]);
  const refusal = cronRefusal(schedule.expression, schedule.timezone);
  if (refusal) throw Problem.invalid([{ field: 'schedule', message: complaintAbout(refusal) }]);
}
