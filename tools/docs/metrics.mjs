/** The table of the product's own metrics, from the objects that register them. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { compiled, root, table } from './writing.mjs';

const services = [
  [
    'gateway',
    'apps/gateway/src/gateway-metrics',
    ({ GatewayMetrics }, metrics) => new GatewayMetrics(metrics, () => []),
  ],
  [
    'management API, deadline scheduler',
    'libs/infrastructure/src/outbox-metrics',
    ({ OutboxMetrics }, metrics) => new OutboxMetrics(metrics, () => Promise.resolve(0)),
  ],
  [
    'every process',
    'libs/infrastructure/src/operator/operator-metrics',
    ({ OperatorMetrics }, metrics) => new OperatorMetrics(metrics, () => false),
  ],
  [
    'ingest',
    'apps/ingest/src/canary/canary-metrics',
    ({ CanaryMetrics }, metrics) => new CanaryMetrics(metrics, () => false),
  ],
  ['ingest', 'apps/ingest/src/ingest-metrics', ({ IngestMetrics }, metrics) => new IngestMetrics(metrics)],
  [
    'deadline scheduler',
    'apps/deadline-scheduler/src/scheduler-metrics',
    ({ SchedulerMetrics }, metrics) => new SchedulerMetrics(metrics, () => new Map()),
  ],
  [
    'notifier',
    'apps/notifier/src/notifier-metrics',
    ({ NotifierMetrics }, metrics) => new NotifierMetrics(metrics, () => ({ count: 0, oldestSeconds: 0 })),
  ],
];

export function metricsSection() {
  const { Metrics } = compiled('libs/service-kernel/src/index');
  const rows = [];
  for (const [service, file, register] of services) {
    const metrics = new Metrics();
    register(compiled(file), metrics);
    for (const { name, help, type, labelNames } of metrics.registry.getMetricsAsArray()) {
      const labels = labelNames.filter((label) => label !== 'le').map((label) => `\`${label}\``);
      rows.push([`\`${name}\``, type, labels.join(', '), service, help]);
    }
  }
  assertComplete(rows.length);
  return table(['metric', 'type', 'labels', 'from', 'what it says'], rows);
}

/** A service that registers metrics somewhere else must be added above. */
function assertComplete(described) {
  const sources = ['apps', 'libs'].flatMap((folder) =>
    fs
      .readdirSync(path.join(root, folder), { recursive: true })
      .filter((file) => /(?<!spec)\.ts$/.test(file) && !file.includes('node_modules'))
      .map((file) => fs.readFileSync(path.join(root, folder, file), 'utf8')),
  );
  const registered = sources.join('\n').match(/name: 'flatline_\w+'/g)?.length ?? 0;
  if (registered !== described) {
    throw new Error(`${registered} metrics are registered in the code, tools/docs/metrics.mjs describes ${described}`);
  }
}
