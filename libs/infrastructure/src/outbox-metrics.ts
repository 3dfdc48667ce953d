import type { Metrics } from '@flatline/service-kernel';

/** What a process that publishes the outbox shows of it. */
export class OutboxMetrics {
  /** @param oldestSeconds age of the oldest row, 0 when there is none; asked whenever the metrics are read */
  constructor(metrics: Metrics, oldestSeconds: () => Promise<number>) {
    metrics.gauge({
      name: 'flatline_outbox_oldest_seconds',
      help: 'Age of the oldest event that waits to be published, over all processes. NaN: Postgres did not say.',
      collect: async (gauge) => {
        gauge.set(Number.NaN);
        gauge.set(await oldestSeconds());
      },
    });
  }
}
