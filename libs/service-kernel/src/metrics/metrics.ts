import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { settledWithin } from '../settled-within';

const COLLECT_WITHIN_MS = 1_000;
const NAME = /^flatline_[a-z][a-z0-9_]*$/;

/** Name, help and label names of a metric. Labels must have few values: never an id, a URL or a token. */
export interface MetricSpec<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly Label[];
}

/** The metrics of one process, in a registry of their own so that tests do not share them. */
export class Metrics {
  readonly registry = new Registry();

  /** Something that is counted; by convention the name ends in `_total`. */
  counter<Label extends string = never>(spec: MetricSpec<Label>): Counter<Label> {
    return new Counter(this.options(spec));
  }

  /**
   * Something that is as it is now. `collect` is called whenever somebody reads the metrics; when it fails or takes
   * longer than a second, everything else is answered without it.
   */
  gauge<Label extends string = never>(
    spec: MetricSpec<Label> & { readonly collect?: (gauge: Gauge<Label>) => void | Promise<void> },
  ): Gauge<Label> {
    const { collect } = spec;
    return new Gauge({
      ...this.options(spec),
      ...(collect && {
        collect(this: Gauge<Label>) {
          return settledWithin(Promise.resolve(this).then(collect), COLLECT_WITHIN_MS);
        },
      }),
    });
  }

  /** How long or how large things are; by convention in seconds or bytes, and the name says which. */
  histogram<Label extends string = never>(
    spec: MetricSpec<Label> & { readonly buckets: readonly number[] },
  ): Histogram<Label> {
    return new Histogram({ ...this.options(spec), buckets: [...spec.buckets] });
  }

  /** Adds memory, CPU, event loop and garbage collection of this process. */
  includeProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  private options<Label extends string>(spec: MetricSpec<Label>) {
    if (!NAME.test(spec.name)) throw new Error(`The metric ${spec.name} must be named flatline_… in snake_case`);
    return {
      name: spec.name,
      help: spec.help,
      labelNames: [...(spec.labels ?? [])],
      registers: [this.registry],
    };
  }
}
