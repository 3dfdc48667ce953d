import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-node';
import type { Logger } from '../logging/create-logger';
import { settledWithin } from '../settled-within';
import { formatTraceparent, parseTraceparent } from './trace-context';
import type { SpanAttributes, SpanOptions, TraceSpan, Tracing } from './tracing';

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;
/** A collector that is away must not keep a process from ending. */
const CLOSE_WITHIN_MS = 2_000;

/**
 * Sends spans by OTLP over HTTP, as JSON and in batches. Sampling follows the parent, else OTEL_TRACES_SAMPLER and its
 * argument, which the SDK reads by itself, as it does the other OTEL_… variables of batches and exports.
 */
export class OtelTracing implements Tracing {
  readonly isOn = true;
  private readonly provider: BasicTracerProvider;
  private readonly tracer: Tracer;

  constructor(endpoint: string, service: string, logger: Logger) {
    const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` });
    this.provider = new BasicTracerProvider({
      resource: defaultResource().merge(resourceFromAttributes({ 'service.name': service })),
      spanProcessors: [new BatchSpanProcessor(reporting(exporter, logger))],
    });
    this.tracer = this.provider.getTracer('flatline');
  }

  start(name: string, { kind, parent, startedAt, attributes }: SpanOptions = {}): TraceSpan {
    const before = parseTraceparent(parent);
    const context = before === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, before);
    const options = {
      kind: kind === undefined ? SpanKind.INTERNAL : KINDS[kind],
      ...(startedAt === undefined ? {} : { startTime: startedAt }),
      ...(attributes === undefined ? {} : { attributes }),
    };
    return new OtelSpan(this.tracer.startSpan(name, options, context));
  }

  close(): Promise<void> {
    return settledWithin(this.provider.shutdown(), CLOSE_WITHIN_MS);
  }
}

class OtelSpan implements TraceSpan {
  readonly traceparent: string;

  constructor(private readonly span: Span) {
    this.traceparent = formatTraceparent(span.spanContext());
  }

  note(attributes: SpanAttributes): void {
    this.span.setAttributes(attributes);
  }

  fail(reason: string): void {
    this.span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
  }

  end(): void {
    this.span.end();
  }
}

/** Says once that the collector takes no spans, and once that it does again. Traces that are lost harm nobody. */
function reporting(exporter: SpanExporter, logger: Logger): SpanExporter {
  let isFailing = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const fails = result.code !== 0;
        if (fails && !isFailing) logger.warn({ err: result.error }, 'the collector of traces takes no spans');
        if (!fails && isFailing) logger.info('the collector of traces takes spans again');
        isFailing = fails;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush && { forceFlush: () => exporter.forceFlush!() }),
  };
}
