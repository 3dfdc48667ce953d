import statistics from '../statistics.cjs';
import { pingPath } from '../target/api.mjs';
import { watchCpu } from '../target/process-tree.mjs';
import { pingAtRate } from './fixed-rate.mjs';
import { cpuLine, GOALS, ms } from './goals.mjs';

/**
 * How long one acknowledged ping takes at a fixed, moderate rate: in turns with the bare server, as at saturation; the
 * table shows the middle round.
 */
export async function measureLatency({ target, bare, api, options, say }) {
  const heartbeats = await api.createHeartbeats(
    Array.from({ length: 1_000 }, (_, index) => ({ name: `latency ${index}`, interval_secs: 3600, grace_secs: 300 })),
  );
  const paths = heartbeats.map(pingPath);
  const rate = GOALS.latencyRate;
  const seconds = options.isQuick ? 6 : 10;
  await pingAtRate(target, { paths, rate, seconds: 2 }); // warm
  say(`latency: ${rate} pings/s, ${options.rounds} rounds of ${seconds} s each`);
  const rounds = [];
  for (let round = 0; round < options.rounds; round += 1) {
    const baseline = await pingAtRate(bare, { paths, rate, seconds });
    const cpu = watchCpu(target);
    const product = await pingAtRate(target, { paths, rate, seconds });
    const used = cpu();
    rounds.push({ product, baseline, cpu: used });
    say(`  p50 ${ms(product.latencyMs.p50)}, p99 ${ms(product.latencyMs.p99)}; bare p99 ${ms(baseline.latencyMs.p99)}`);
    say(`  ${cpuLine(used)}; generator sent p99 ${ms(product.sendDelayMs.p99)} after due`);
  }

  const failures = rounds
    .filter(({ product }) => product.acknowledged < product.planned)
    .map(({ product: { planned, acknowledged, errors } }) => {
      return `latency: of ${planned} pings ${acknowledged} got 200 (${JSON.stringify(errors)})`;
    });
  const middle = (of, percentile) => statistics.median(rounds.map((round) => round[of].latencyMs[percentile]));
  const row = (name, percentile, goalMs) => {
    const [measured, baseline] = [middle('product', percentile), middle('baseline', percentile)];
    const goal = goalMs ? { goal: `< ${ms(goalMs)}`, isMet: measured < goalMs } : {};
    return { name, measured: ms(measured), ...goal, baseline: ms(baseline), ratio: measured / baseline };
  };
  return {
    rows: [
      row(`acknowledged ping at ${rate}/s, p50`, 'p50'),
      row(`acknowledged ping at ${rate}/s, p99`, 'p99', GOALS.latencyP99Ms),
      row(`acknowledged ping at ${rate}/s, slowest`, 'max'),
    ],
    failures,
    figures: { rounds },
  };
}
