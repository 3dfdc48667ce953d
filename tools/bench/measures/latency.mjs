import { pingPath } from '../target/api.mjs';
import { watchCpu } from '../target/process-tree.mjs';
import { pingAtRate } from './fixed-rate.mjs';
import { cpuLine, GOALS, ms } from './goals.mjs';

/** How long one acknowledged ping takes at a fixed, moderate rate; the bare server under the same load just before. */
export async function measureLatency({ target, bare, api, options, say }) {
  const heartbeats = await api.createHeartbeats(
    Array.from({ length: 1_000 }, (_, index) => ({ name: `latency ${index}`, interval_secs: 3600, grace_secs: 300 })),
  );
  const paths = heartbeats.map(pingPath);
  const rate = GOALS.latencyRate;
  const seconds = options.isQuick ? 6 : 20;
  await pingAtRate(target, { paths, rate, seconds: 2 }); // warm
  say(`latency: ${rate} pings/s for ${seconds} s, bare server first`);
  const baseline = await pingAtRate(bare, { paths, rate, seconds });
  const cpu = watchCpu(target.pid);
  const measured = await pingAtRate(target, { paths, rate, seconds });
  const used = cpu();
  say(`  ${cpuLine(used)}; generator sent p99 ${ms(measured.sendDelayMs.p99)} after due`);

  const failures = [];
  if (measured.acknowledged < measured.planned) {
    failures.push(
      `latency: of ${measured.planned} pings ${measured.acknowledged} got 200 (${JSON.stringify(measured.errors)})`,
    );
  }
  const row = (name, percentile, goalMs) => ({
    name,
    measured: ms(measured.latencyMs[percentile]),
    ...(goalMs ? { goal: `< ${ms(goalMs)}`, isMet: measured.latencyMs[percentile] < goalMs } : {}),
    baseline: ms(baseline.latencyMs[percentile]),
    ratio: measured.latencyMs[percentile] / baseline.latencyMs[percentile],
  });
  return {
    rows: [
      row(`acknowledged ping at ${rate}/s, p50`, 'p50'),
      row(`acknowledged ping at ${rate}/s, p99`, 'p99', GOALS.latencyP99Ms),
      row(`acknowledged ping at ${rate}/s, slowest`, 'max'),
    ],
    failures,
    figures: { measured, baseline, cpu: used },
  };
}
