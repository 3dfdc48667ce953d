import type { FlatlineConfig } from '../config/environment';
import type { Logger } from '../logging/create-logger';
import { NO_TRACING, type Tracing } from './tracing';

/**
 * The tracing of a process: to the collector of OTEL_EXPORTER_OTLP_ENDPOINT, or none. OpenTelemetry's SDK is loaded only
 * where it is used.
 */
export async function openTracing(
  config: Pick<FlatlineConfig, 'OTEL_EXPORTER_OTLP_ENDPOINT'>,
  service: string,
  logger: Logger,
): Promise<Tracing> {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return NO_TRACING;
  const { OtelTracing } = await import('./otel-tracing');
  return new OtelTracing(endpoint, service, logger);
}
