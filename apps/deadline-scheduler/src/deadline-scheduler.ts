import type { AbsenceRules } from '@flatline/domain';
import type { EventLog, LogSubscription } from '@flatline/event-log';
import { DEADLINE_SCHEDULER_GROUP, HEARTBEATS_TOPIC, PINGS_TOPIC } from '@flatline/events';
import { ClockSkew, type Kernel } from '@flatline/service-kernel';
import type { Timers } from '@flatline/timers';
import type { DataSource } from 'typeorm';
import { AlarmClock } from './alarm-clock';
import { DefinitionBatchHandler } from './definition-batch-handler';
import { HistoryStore } from './history-store';
import { Judge } from './judge';
import { LogClockWatch } from './log-clock-watch';
import { PingBatchHandler } from './ping-batch-handler';
import { PingPartitions } from './ping-partitions';
import { RuntimeStore } from './runtime-store';
import { SchedulerMetrics } from './scheduler-metrics';
import { ShardProgressStore } from './shard-progress-store';
import { Sweep } from './sweep';
import { TimerRecovery } from './timer-recovery';

export interface DeadlineSchedulerParts extends Kernel {
  readonly dataSource: DataSource;
  readonly log: EventLog;
  readonly timers: Timers;
}

const MAX_BATCH_RECORDS = 2_000;
/** Under load, pings gather for this long before a transaction takes them; at rest it delays nothing. */
const MIN_BATCH_INTERVAL_MS = 40;
/** With a watermark further behind than this, deadlines are not being judged. */
const READY_WITHIN_MS = 5_000;

/**
 * Owns the runtime state of heartbeats: applies pings, moves timers, judges deadlines. This class only connects the
 * parts; the rule is in the domain library, the transaction in ping-batch-handler.ts, the judgement in judge.ts.
 */
export class DeadlineScheduler {
  private readonly progress = new ShardProgressStore();
  private readonly metrics: SchedulerMetrics;
  private readonly alarmClock: AlarmClock;
  private readonly sweep: Sweep;
  private readonly recovery: TimerRecovery;
  private readonly partitions: PingPartitions;
  private readonly skew: ClockSkew;
  private readonly logClock: LogClockWatch;
  private readonly pings: PingBatchHandler;
  private readonly definitions: DefinitionBatchHandler;
  /** The shards that this process reads. */
  private readonly owned = new Set<number>();
  private readonly watermarks = new Map<number, number>();
  private subscriptions: LogSubscription[] = [];

  constructor(private readonly parts: DeadlineSchedulerParts) {
    const { config, dataSource, log, clock, logger, health, timers, tracing } = parts;
    const rules: AbsenceRules = { leaseMs: config.INGEST_LEASE_SECONDS * 1000 };
    const runtime = new RuntimeStore(config.PING_PARTITIONS);
    const history = new HistoryStore();
    const { progress, owned } = this;
    const partitions = config.PING_PARTITIONS;
    this.metrics = new SchedulerMetrics(
      parts.metrics,
      () => this.lagByShard(),
      () => this.alarmClock.armedByShard(),
      () => runtime.misfits.count(dataSource.manager),
    );
    const shared = {
      dataSource,
      log,
      clock,
      logger,
      health,
      runtime,
      history,
      progress,
      rules,
      metrics: this.metrics,
      tracing,
    };
    const onTimersFailed = (error: unknown): void => this.noteTimersFailed(error);
    const arm: AlarmClock['arm'] = (folded) => this.alarmClock.arm(folded);

    this.skew = new ClockSkew(config.MAX_CLOCK_SKEW_MS);
    this.logClock = new LogClockWatch({ log, clock, logger, owned, skew: this.skew });
    const judge = new Judge({ ...shared, arm });
    this.sweep = new Sweep({ ...shared, judge, owned });
    this.alarmClock = new AlarmClock({ timers, judge, partitions, clock, logger, onTimersFailed });
    this.recovery = new TimerRecovery({ ...shared, timers, partitions, owned, onTimersFailed });
    this.pings = new PingBatchHandler({
      ...shared,
      arm,
      logClock: this.logClock,
      watermarkMoved: (shard, watermark) => this.watermarkMoved(shard, watermark),
      assigned: (shard) => this.assigned(shard),
      revoked: (shard) => this.revoked(shard),
    });
    this.definitions = new DefinitionBatchHandler({
      ...shared,
      partitions,
      arm,
      disarm: (ids) => this.alarmClock.disarm(ids),
    });
    this.partitions = new PingPartitions(dataSource, clock, logger, config.PING_RETENTION_DAYS);
  }

  async start(): Promise<void> {
    const { log, health, shutdown } = this.parts;
    await this.partitions.start();
    this.sweep.start();
    this.recovery.start();
    this.logClock.start();
    this.subscriptions = [
      await log.consume({
        topic: HEARTBEATS_TOPIC,
        group: DEADLINE_SCHEDULER_GROUP,
        maxRecords: MAX_BATCH_RECORDS,
        handler: this.definitions,
      }),
      await log.consume({
        topic: PINGS_TOPIC,
        group: DEADLINE_SCHEDULER_GROUP,
        maxRecords: MAX_BATCH_RECORDS,
        minBatchIntervalMs: MIN_BATCH_INTERVAL_MS,
        handler: this.pings,
      }),
    ];
    health.register('clock', () => this.skew.sentence(), 'clock_skewed');
    health.register('deadlines', () => this.notJudging(), 'watermark_stalled');
    health.register('deadline timers', () => this.alarmClock.missing(), 'timers_away');
    shutdown.on('workers', 'deadline scheduler', () => this.stop());
  }

  async stop(): Promise<void> {
    this.partitions.stop();
    this.logClock.stop();
    await Promise.all([
      ...this.subscriptions.map((subscription) => subscription.close()),
      this.alarmClock.stop(),
      this.sweep.stop(),
      this.recovery.stop(),
    ]);
  }

  private async assigned(shard: number): Promise<void> {
    await this.alarmClock.assigned(shard);
    if (this.owned.has(shard)) return;
    this.owned.add(shard);
    void this.recovery.look(shard);
  }

  private async revoked(shard: number): Promise<void> {
    this.owned.delete(shard);
    this.watermarks.delete(shard);
    this.sweep.revoked(shard);
    this.logClock.revoked(shard);
    await this.alarmClock.revoked(shard);
  }

  private watermarkMoved(shard: number, watermark: number): void {
    this.watermarks.set(shard, watermark);
    this.alarmClock.watermarkMoved(shard, watermark);
    this.sweep.watermarkMoved(shard, watermark);
  }

  private noteTimersFailed(error: unknown): void {
    if (!this.sweep.noteTimersFailed()) return;
    this.parts.logger.warn({ err: error }, 'the timers failed; sweeping every second meanwhile');
  }

  /** Seconds by shard, of the shards this process reads. */
  private lagByShard(): ReadonlyMap<number, number> {
    const now = this.parts.clock.now();
    return new Map([...this.watermarks].map(([shard, watermark]) => [shard, (now - watermark) / 1000]));
  }

  /** Says nothing of shards that others read: without any of its own this process stands by, and is ready to. */
  private notJudging(): string | null {
    const lags = this.lagByShard();
    const unheard = [...this.owned].filter((shard) => !lags.has(shard));
    if (unheard.length > 0) return `no pulse of an ingest has been read yet in shard ${unheard.join(', ')}`;
    const worst = Math.max(0, ...lags.values());
    if (worst * 1000 <= READY_WITHIN_MS) return null;
    return `the watermark is ${Math.round(worst)} s behind; deadlines wait for it`;
  }
}
