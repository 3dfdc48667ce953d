import type { Metrics } from '@flatline/service-kernel';

/** What an ingest counts about its calls to itself. */
export class CanaryMetrics {
  readonly failures;

  /** @param isLost asked whenever the metrics are read */
  constructor(metrics: Metrics, isLost: () => boolean) {
    metrics.gauge({
      name: 'flatline_ingest_reachable',
      help: '0: calls through CANARY_URL have failed for half a lease, so jobs are taken to be unable to reach us. Otherwise 1.',
      collect: (gauge) => gauge.set(isLost() ? 0 : 1),
    });
    this.failures = metrics.counter({
      name: 'flatline_ingest_canary_failures_total',
      help: 'Calls through CANARY_URL that were not answered by an ingest of this installation, by reason.',
      labels: ['reason'],
    });
  }
}
