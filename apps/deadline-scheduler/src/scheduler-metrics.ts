import { type Absence, type AbsenceRules, kindOf } from '@flatline/domain';
import type { Metrics } from '@flatline/service-kernel';
import type { Folded } from './fold';

/** What a deadline scheduler counts. */
export class SchedulerMetrics {
  readonly pingsApplied;
  readonly deadlinesJudged;
  readonly deadLetters;
  private readonly incidentsOpened;
  private readonly incidentsResolved;
  private readonly absences;
  private readonly absenceSeconds;
  readonly recordsMissing;
  readonly watermarkLag;
  readonly timersArmed;
  readonly timersRestored;

  /**
   * @param lagByShard seconds, asked whenever the metrics are read
   * @param armedByShard wake-ups, likewise; empty while the timers do not answer
   * @param misfitCount heartbeats that are not judged, likewise
   */
  constructor(
    metrics: Metrics,
    lagByShard: () => ReadonlyMap<number, number>,
    armedByShard: () => Promise<ReadonlyMap<number, number>>,
    misfitCount: () => Promise<number>,
  ) {
    this.pingsApplied = metrics.counter({
      name: 'flatline_pings_applied_total',
      help: 'Pings applied to the state of their heartbeats and written to the history.',
    });
    this.deadlinesJudged = metrics.counter({
      name: 'flatline_deadlines_judged_total',
      help: 'Heartbeats looked at because a timer woke or a sweep found them.',
    });
    this.incidentsOpened = metrics.counter({
      name: 'flatline_incidents_opened_total',
      help: 'Incidents that opened, by reason.',
      labels: ['reason'],
    });
    this.incidentsResolved = metrics.counter({
      name: 'flatline_incidents_resolved_total',
      help: 'Incidents that ended, by recovery or by a pause.',
    });
    this.deadLetters = metrics.counter({
      name: 'flatline_dead_letters_total',
      help: 'Records of the event log, and rows of heartbeats, that could not be used and were put aside.',
    });
    this.recordsMissing = metrics.counter({
      name: 'flatline_log_records_missing_total',
      help: 'Pings that were acknowledged and are not in the event log. Above 0: the log lost data.',
    });
    this.absences = metrics.counter({
      name: 'flatline_absences_total',
      help: 'Times in which jobs could not reach us, of each shard by itself. short: moved deadlines. blackout: unknown.',
      labels: ['kind'],
    });
    this.absenceSeconds = metrics.counter({
      name: 'flatline_absence_seconds_total',
      help: 'How long those times were. An outage of everything counts once for each of PING_PARTITIONS shards.',
      labels: ['kind'],
    });
    this.watermarkLag = metrics.gauge({
      name: 'flatline_watermark_lag_seconds',
      help: 'How far the watermark of a shard is behind the clock.',
      labels: ['shard'],
      collect: (gauge) => {
        gauge.reset(); // shards that are another process's now
        lagByShard().forEach((seconds, shard) => gauge.set({ shard: String(shard) }, seconds));
      },
    });
    this.timersArmed = metrics.gauge({
      name: 'flatline_timers_armed',
      help: 'Wake-ups that lie ahead, of the shards this process reads.',
      labels: ['shard'],
      collect: async (gauge) => {
        const armed = await armedByShard();
        gauge.reset();
        armed.forEach((count, shard) => gauge.set({ shard: String(shard) }, count));
      },
    });
    this.timersRestored = metrics.counter({
      name: 'flatline_timers_restored_total',
      help: 'Wake-ups armed anew from the database because the timers were lost all at once.',
    });
    metrics.gauge({
      name: 'flatline_heartbeats_misconfigured',
      help: 'Heartbeats that are not judged because their schedule or their data cannot be used, over all processes. NaN: Postgres did not say.',
      collect: async (gauge) => {
        gauge.set(Number.NaN);
        gauge.set(await misfitCount());
      },
    });
  }

  /** After the commit: absences that are over. */
  noteAbsences(over: readonly Absence[], rules: AbsenceRules): void {
    for (const absence of over) {
      const kind = kindOf(absence, rules);
      this.absences.inc({ kind });
      this.absenceSeconds.inc({ kind }, (absence.endedAt - absence.startedAt) / 1000);
    }
  }

  /** After the commit: what became of heartbeats. */
  noteFolded(folded: readonly Folded[]): void {
    for (const { story, restored } of folded) {
      if (restored !== null) this.deadLetters.inc();
      for (const { incident } of story.starts) this.incidentsOpened.inc({ reason: incident.reason });
      if (story.ends.length > 0) this.incidentsResolved.inc(story.ends.length);
    }
  }
}
