import type { Metrics } from '@flatline/service-kernel';

/** What an ingest counts; it logs nothing per ping. */
export class IngestMetrics {
  readonly accepted;
  readonly refused;
  readonly appendSeconds;
  readonly stalls;
  readonly clockSteps;

  /**
   * @param acceptingPartitions asked whenever the metrics are read
   * @param aheadMs likewise: how far our clock is ahead of that of the event log
   */
  constructor(metrics: Metrics, acceptingPartitions: () => number, aheadMs: () => number) {
    metrics.gauge({
      name: 'flatline_ingest_clock_ahead_seconds',
      help: 'How far the clock of the ingest is ahead of that of the event log, at least; below 0: behind.',
      collect: (gauge) => gauge.set(aheadMs() / 1000),
    });
    metrics.gauge({
      name: 'flatline_ingest_accepting_partitions',
      help: 'Partitions for which pings are accepted. Below PING_PARTITIONS: some pings are answered with 503.',
      collect: (gauge) => gauge.set(acceptingPartitions()),
    });
    this.accepted = metrics.counter({
      name: 'flatline_pings_accepted_total',
      help: 'Pings acknowledged after they were durable in the event log.',
    });
    this.refused = metrics.counter({
      name: 'flatline_pings_refused_total',
      help: 'Pings with a valid token answered with 503, by reason.',
      labels: ['reason'],
    });
    this.stalls = metrics.counter({
      name: 'flatline_ingest_stalls_total',
      help: 'Times the ingest stood still for more than 250 ms. Pings that came meanwhile count as of when they can have come.',
    });
    this.clockSteps = metrics.counter({
      name: 'flatline_ingest_clock_steps_total',
      help: 'Times the wall clock was set by more than half a second. Pings are refused until the next pulse.',
    });
    this.appendSeconds = metrics.histogram({
      name: 'flatline_ping_append_seconds',
      help: 'Time an append of a batch of pings to the event log took.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 4],
    });
  }
}
