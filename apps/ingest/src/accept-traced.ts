import type { Tracing } from '@flatline/service-kernel';
import type { StoredPing } from './held-ping';
import type { PingAppender } from './ping-appender';
import type { ReceivedSignal } from './received-signal';

/**
 * Hands a signal to the appender. When something is traced, under a span that belongs to the trace of the job, if the
 * job sent one.
 *
 * @param parent `traceparent` of the request
 */
export async function acceptTraced(
  { appender, tracing }: { readonly appender: PingAppender; readonly tracing: Tracing },
  signal: ReceivedSignal,
  parent: string | string[] | undefined,
): Promise<StoredPing | null> {
  if (!tracing.isOn) return appender.accept(signal);
  const span = tracing.start('ping', {
    kind: 'server',
    parent: typeof parent === 'string' ? parent : null,
    attributes: { 'flatline.heartbeat.id': signal.recipient.heartbeatId, 'http.request.method': signal.method },
  });
  const ping = await appender.accept({ ...signal, traceparent: span.traceparent });
  span.note({ 'http.response.status_code': ping ? 200 : 503, ...(ping && { 'flatline.ping.id': ping.id }) });
  if (!ping) span.fail('not stored');
  span.end();
  return ping;
}
