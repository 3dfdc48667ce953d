import type { SendOutcome } from '@flatline/channels';
import type { Metrics } from '@flatline/service-kernel';
import type { NextStep, NotToldReason } from './next-step';
import type { PlannedNotification } from './plan-notifications';

export interface Backlog {
  readonly count: number;
  /** Seconds; 0 when nothing waits. */
  readonly oldestSeconds: number;
}

const ATTEMPT_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];
const TELLING_SECONDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400];

/** What a notifier counts. Labels are kinds of channels and closed sets of reasons, never a channel or a heartbeat. */
export class NotifierMetrics {
  readonly deadLetters;
  private readonly planned;
  private readonly deliveries;
  private readonly notTold;
  private readonly attemptSeconds;
  private readonly tellingSeconds;

  constructor(metrics: Metrics, backlog: () => Backlog) {
    this.planned = metrics.counter({
      name: 'flatline_notifications_planned_total',
      help: 'Notifications written down to be delivered, suppressed ones included.',
      labels: ['channel', 'transition'],
    });
    this.deliveries = metrics.counter({
      name: 'flatline_deliveries_total',
      help: 'Attempts to deliver a notification, by kind of channel and by how they ended.',
      labels: ['channel', 'outcome'],
    });
    this.notTold = metrics.counter({
      name: 'flatline_notifications_not_told_total',
      help: 'Notifications that ended without anybody being told, by reason.',
      labels: ['reason'],
    });
    this.attemptSeconds = metrics.histogram({
      name: 'flatline_delivery_attempt_seconds',
      help: 'How long an attempt to deliver took.',
      labels: ['channel'],
      buckets: ATTEMPT_SECONDS,
    });
    this.tellingSeconds = metrics.histogram({
      name: 'flatline_telling_seconds',
      help: 'From the instant at which something happened to the instant at which somebody was told.',
      labels: ['channel'],
      buckets: TELLING_SECONDS,
    });
    this.deadLetters = metrics.counter({
      name: 'flatline_notifier_dead_letters_total',
      help: 'Incidents of the event log that could not be planned and were put aside.',
    });
    metrics.gauge({
      name: 'flatline_notifications_unfinished',
      help: 'Notifications that wait to be delivered, over all notifiers, as of the last sweep.',
      collect: (gauge) => gauge.set(backlog().count),
    });
    metrics.gauge({
      name: 'flatline_notifications_oldest_unfinished_seconds',
      help: 'Age of the oldest notification that waits to be delivered, as of the last sweep.',
      collect: (gauge) => gauge.set(backlog().oldestSeconds),
    });
  }

  notePlanned(planned: readonly PlannedNotification[]): void {
    for (const { channelKind, transition, reason } of planned) {
      this.planned.inc({ channel: channelKind, transition });
      if (reason !== null) this.noteNotTold(reason);
    }
  }

  noteAttempt(kind: string, outcome: SendOutcome, step: NextStep, seconds: number): void {
    this.deliveries.inc({ channel: kind, outcome: outcome.outcome });
    this.attemptSeconds.observe({ channel: kind }, seconds);
    if (step.status === 'dead') this.noteNotTold(step.reason);
  }

  /** @param seconds since it happened */
  noteTold(kind: string, seconds: number): void {
    this.tellingSeconds.observe({ channel: kind }, Math.max(0, seconds));
  }

  noteNotTold(reason: NotToldReason): void {
    this.notTold.inc({ reason });
  }
}
