import type { Metrics } from '@flatline/service-kernel';

export interface OutboxState {
  /** Age of the oldest row, 0 when there is none. */
  readonly oldestSeconds: () => Promise<number>;
  /** Dead letters that lie there, by source. */
  readonly letters: () => Promise<ReadonlyMap<string, number>>;
}

/** What a process that publishes the outbox shows of it, and of what was put aside anywhere. */
export class OutboxMetrics {
  readonly deadLetters;

  /** @param state asked whenever the metrics are read */
  constructor(metrics: Metrics, state: OutboxState) {
    metrics.gauge({
      name: 'flatline_outbox_oldest_seconds',
      help: 'Age of the oldest event that waits to be published, over all processes. NaN: Postgres did not say.',
      collect: async (gauge) => {
        gauge.set(Number.NaN);
        gauge.set(await state.oldestSeconds());
      },
    });
    this.deadLetters = metrics.counter({
      name: 'flatline_outbox_dead_letters_total',
      help: 'Events that could never be published and were put aside.',
    });
    metrics.gauge({
      name: 'flatline_dead_letters_waiting',
      help: 'Dead letters that nobody has replayed or discarded yet, by where they come from, over all processes.',
      labels: ['source'],
      collect: async (gauge) => {
        gauge.reset();
        for (const [source, count] of await state.letters()) gauge.set({ source }, count);
      },
    });
  }
}
