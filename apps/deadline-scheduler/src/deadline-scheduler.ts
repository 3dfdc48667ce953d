import type { AbsenceRules } from '@flatline/domain';
import type { EventLog, LogSubscription } from '@flatline/event-log';
import { DEADLINE_SCHEDULER_GROUP, HEARTBEATS_TOPIC, PINGS_TOPIC } from '@flatline/events';
import type { Kernel } from '@flatline/service-kernel';
import type { Timers, WakeQueue } from '@flatline/timers';
import type { DataSource } from 'typeorm';
import { AlarmClock } from './alarm-clock';
import { DefinitionBatchHandler } from './definition-batch-handler';
import { HistoryStore } from './history-store';
import { Judge } from './judge';
import { PingBatchHandler } from './ping-batch-handler';
import { PingPartitions } from './ping-partitions';
import { RuntimeStore } from './runtime-store';
import { SchedulerMetrics } from './scheduler-metrics';
import { ShardProgressStore } from './shard-progress-store';
import { Sweep } from './sweep';

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
  private readonly queue: WakeQueue;
  private readonly alarmClock: AlarmClock;
  private readonly sweep: Sweep;
  private readonly partitions: PingPartitions;
  private readonly pings: PingBatchHandler;
  private readonly definitions: DefinitionBatchHandler;
  private readonly watermarks = new Map<number, number>();
  private subscriptions: LogSubscription[] = [];

  constructor(private readonly parts: DeadlineSchedulerParts) {
    const { config, dataSource, log, clock, logger } = parts;
    const rules: AbsenceRules = { leaseMs: config.INGEST_LEASE_SECONDS * 1000 };
    const runtime = new RuntimeStore(config.PING_PARTITIONS);
    const history = new HistoryStore();
    const { progress } = this;
    this.metrics = new SchedulerMetrics(parts.metrics, () => this.lagByShard());
    this.queue = parts.timers.queue('deadlines');
    const shared = { dataSource, log, clock, logger, runtime, history, progress, rules, metrics: this.metrics };
    const arm: AlarmClock['arm'] = (folded) => this.alarmClock.arm(folded);

    const judge = new Judge({ ...shared, arm });
    this.sweep = new Sweep({ ...shared, judge });
    this.alarmClock = new AlarmClock({
      queue: this.queue,
      judge,
      partitions: config.PING_PARTITIONS,
      logger,
      watermarks: () => progress.watermarks(dataSource.manager),
      onTimersFailed: (error) => this.noteTimersFailed(error),
    });
    this.pings = new PingBatchHandler({
      ...shared,
      arm,
      watermarkMoved: (shard, watermark) => this.watermarkMoved(shard, watermark),
    });
    this.definitions = new DefinitionBatchHandler({
      ...shared,
      partitions: config.PING_PARTITIONS,
      arm,
      disarm: (ids) => void this.queue.cancel(ids).catch((error: unknown) => this.noteTimersFailed(error)),
    });
    this.partitions = new PingPartitions(dataSource, clock, logger, config.PING_RETENTION_DAYS);
  }

  async start(): Promise<void> {
    const { log, health, shutdown } = this.parts;
    await this.partitions.start();
    await this.alarmClock.start();
    this.sweep.start();
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
    health.register('deadlines', () => this.notJudging());
    health.register('deadline timers', () => this.queue.missing());
    shutdown.on('workers', 'deadline scheduler', () => this.stop());
  }

  async stop(): Promise<void> {
    this.partitions.stop();
    await Promise.all([
      ...this.subscriptions.map((subscription) => subscription.close()),
      this.alarmClock.stop(),
      this.sweep.stop(),
    ]);
  }

  private watermarkMoved(shard: number, watermark: number): void {
    this.watermarks.set(shard, watermark);
    this.alarmClock.watermarkMoved(shard, watermark);
    this.sweep.watermarkMoved(shard, watermark);
  }

  private noteTimersFailed(error: unknown): void {
    this.sweep.noteTimersFailed();
    this.parts.logger.warn({ err: error }, 'the timers took no order; sweeping every second meanwhile');
  }

  /** Seconds by shard, of the shards this process reads. */
  private lagByShard(): ReadonlyMap<number, number> {
    const now = this.parts.clock.now();
    return new Map([...this.watermarks].map(([shard, watermark]) => [shard, (now - watermark) / 1000]));
  }

  private notJudging(): string | null {
    const lags = [...this.lagByShard().values()];
    if (lags.length < this.parts.config.PING_PARTITIONS) return 'not every shard has a watermark yet';
    const worst = Math.max(...lags);
    if (worst * 1000 <= READY_WITHIN_MS) return null;
    return `the watermark is ${Math.round(worst)} s behind; deadlines wait for it`;
  }
}
