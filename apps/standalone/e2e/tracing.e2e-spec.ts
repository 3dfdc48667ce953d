import {
  createTestDatabase,
  eventually,
  runMigrate,
  sendRequest,
  SERVICE_NAMES,
  ServiceSet,
  startTestSmtp,
  startTraceCollector,
  startWebhookReceiver,
} from '@flatline/test-kit';
import type {
  ApiSession,
  CollectedSpan,
  TestDatabase,
  TestSmtp,
  TraceCollector,
  WebhookReceiver,
} from '@flatline/test-kit';

const ADDRESS = 'oncall@example.org';
/** The trace of the job that pings, as its own tracing would have begun it. */
const JOB = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };

describe('a trace through the four services', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let smtp: TestSmtp;
  let collector: TraceCollector;
  let services: ServiceSet | undefined;
  let api: ApiSession;
  let ingestUrl: string;

  beforeAll(async () => {
    [database, receiver, smtp, collector] = await Promise.all([
      createTestDatabase('tracing'),
      startWebhookReceiver(),
      startTestSmtp(),
      startTraceCollector(),
    ]);
    const key = await runMigrate({ DATABASE_URL: database.url });
    const env = {
      DATABASE_URL: database.url,
      DEFAULT_ALERT_WEBHOOK_URL: `${receiver.url}/secret-path`,
      DEFAULT_ALERT_EMAIL: ADDRESS,
      SMTP_URL: smtp.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
      OTEL_BSP_SCHEDULE_DELAY: '100',
    };
    services = new ServiceSet(env);
    await services.startAll();
    await services.ready();
    ingestUrl = services.of('ingest').baseUrl;
    api = services.api(key!);
  }, 90_000);

  afterAll(async () => {
    await services?.kill();
    await Promise.all([collector.stop(), receiver.stop(), smtp.stop()]);
    await database.drop();
  });

  const ofTrace = (traceId: string): CollectedSpan[] => collector.spans.filter((span) => span.traceId === traceId);

  /** `service: span < its parent`, sorted. Whoever holds the slot of the outbox publishes: that one is called the relay. */
  const lineage = (spans: readonly CollectedSpan[]): string[] =>
    spans
      .map(({ service, name, parentSpanId }) => {
        const parent = parentSpanId === JOB.spanId ? 'job' : spans.find(({ spanId }) => spanId === parentSpanId)?.name;
        return `${name === 'publish' ? 'relay' : service}: ${name} < ${parent ?? 'nothing'}`;
      })
      .sort();

  it('goes from the judgement of silence to the messages, and from the ping of a job to the all-clear', async () => {
    const fields = { name: 'traced job', interval_secs: 2, grace_secs: 0, alert_after_misses: 1 };
    const { id, token } = await api.create(fields);
    await sendRequest(ingestUrl, { method: 'POST', path: `/v1/heartbeats/${token}/ping` });
    await eventually(() => expect([receiver.requests.length, smtp.mails.length]).toEqual([1, 1]), { withinMs: 30_000 });
    const judged = await eventually(() => {
      const judge = collector.spans.find(({ name }) => name === 'judge');
      const spans = ofTrace(judge?.traceId ?? 'none');
      expect(lineage(spans)).toEqual([
        'deadline-scheduler: judge < nothing',
        'notifier: deliver < plan',
        'notifier: deliver < plan',
        'notifier: plan < publish',
        'relay: publish < judge',
      ]);
      return spans;
    });
    expect(judged.find(({ name }) => name === 'judge')!.attributes).toMatchObject({
      'flatline.heartbeat.id': id,
      'flatline.incident.reason': 'missed',
      'flatline.incident.misses': 1,
    });

    const headers = { traceparent: `00-${JOB.traceId}-${JOB.spanId}-01` };
    const body = 'what the job said';
    await sendRequest(ingestUrl, { method: 'POST', path: `/v1/heartbeats/${token}/ping`, headers, body });
    const told = await eventually(
      () => {
        const spans = ofTrace(JOB.traceId);
        expect(lineage(spans)).toEqual([
          'deadline-scheduler: apply < append',
          'ingest: append < ping',
          'ingest: ping < job',
          'notifier: deliver < plan',
          'notifier: deliver < plan',
          'notifier: plan < publish',
          'relay: publish < apply',
        ]);
        return spans;
      },
      { withinMs: 20_000 },
    );
    const deliveries = told.filter(({ name }) => name === 'deliver').map(({ attributes }) => attributes);
    expect(deliveries.map((attributes) => attributes['flatline.channel.kind']).sort()).toEqual(['email', 'webhook']);
    expect(deliveries.map((attributes) => attributes['flatline.outcome'])).toEqual(['delivered', 'delivered']);
    await api.call('DELETE', `/heartbeats/${id}`);

    const everything = collector.bodies.join('\n');
    for (const secret of [token, ADDRESS, receiver.url, 'secret-path', body, api.key, 'traced job']) {
      expect(everything).not.toContain(secret);
    }
  });

  it('is sent to its end when the services stop', async () => {
    const { token } = await api.create({ interval_secs: 3600 });
    const traceId = JOB.traceId.replace('0af', 'faf');
    const headers = { traceparent: `00-${traceId}-${JOB.spanId}-01` };
    await sendRequest(ingestUrl, { method: 'POST', path: `/v1/heartbeats/${token}/ping`, headers });
    const ends = await Promise.all(services!.all.map((service) => service.stop({ withinMs: 10_000 })));
    expect(ends).toEqual(SERVICE_NAMES.map(() => ({ code: 0, signal: null })));
    expect(lineage(ofTrace(traceId))).toEqual(expect.arrayContaining(['ingest: append < ping', 'ingest: ping < job']));
  });
});
