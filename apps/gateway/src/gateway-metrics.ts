import type { Counter, Histogram } from 'prom-client';
import type { Metrics } from '@flatline/service-kernel';
import type { UpstreamGroup } from './upstream-group';

/**
 * How a request ended: the service answered; nobody was there to take it; the service did not answer in time; the
 * connection was cut after something had been sent; the caller hung up first; it was no request that can be sent on.
 */
export type ForwardOutcome = 'answered' | 'unavailable' | 'timed_out' | 'cut' | 'caller_gone' | 'malformed';

/** The gateway's own metrics. What the services count, they count themselves. */
export class GatewayMetrics {
  readonly requests: Counter<'to' | 'outcome'>;
  readonly retries: Counter<'to'>;
  readonly seconds: Histogram<'to'>;

  constructor(metrics: Metrics, groups: () => readonly Pick<UpstreamGroup, 'name' | 'size' | 'readyCount'>[]) {
    this.requests = metrics.counter({
      name: 'flatline_gateway_requests_total',
      help: 'Requests by where they were sent and how that ended.',
      labels: ['to', 'outcome'],
    });
    this.retries = metrics.counter({
      name: 'flatline_gateway_retries_total',
      help: 'Requests offered to another process because the first could not be reached; nothing had been sent.',
      labels: ['to'],
    });
    this.seconds = metrics.histogram({
      name: 'flatline_gateway_answer_seconds',
      help: 'Time from a request to the first byte of its answer.',
      labels: ['to'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    });
    metrics.gauge({
      name: 'flatline_gateway_upstreams',
      help: 'Processes the gateway knows, by whether they said last that they are ready.',
      labels: ['to', 'state'],
      collect: (gauge) => {
        for (const { name, size, readyCount } of groups()) {
          gauge.set({ to: name, state: 'ready' }, readyCount);
          gauge.set({ to: name, state: 'not_ready' }, size - readyCount);
        }
      },
    });
  }
}
