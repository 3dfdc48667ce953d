import { saturate } from '../load/saturate.mjs';
import statistics from '../statistics.cjs';
import { pingPath } from '../target/api.mjs';
import { readProgress, untilApplied } from '../target/metrics.mjs';
import { watchCpu } from '../target/process-tree.mjs';
import { costPerPing, costText, count, cpuLine, ms, perSecond } from './goals.mjs';

const CONNECTIONS = [64, 256];

/**
 * As many pings as are acknowledged, against a bare server, in turns: bare, product, bare, product, ... The machine's
 * other work then disturbs both alike, and how far the bare server's own rounds lie apart says how much.
 */
export async function measureSaturation(context) {
  const { api, options, say } = context;
  const heartbeats = await api.createHeartbeats(
    Array.from({ length: 1_000 }, (_, index) => ({ name: `busy ${index}`, interval_secs: 3600, grace_secs: 300 })),
  );
  const paths = heartbeats.map(pingPath);
  const seconds = options.isQuick ? 4 : 10;
  await saturate({ ...loadOf(context, context.target, paths), connections: CONNECTIONS[0], seconds: 2 }); // warm
  await untilApplied(context.target);

  const outcomes = [];
  for (const connections of CONNECTIONS) {
    say(`saturation: ${connections} connections, ${options.rounds} rounds of ${seconds} s each, by ${context.tool}`);
    outcomes.push(await measureConnections(context, paths, connections, seconds));
  }
  return {
    rows: outcomes.flatMap(({ rows }) => rows),
    failures: outcomes.flatMap(({ failures }) => failures),
    figures: { tool: context.tool, runs: outcomes.map(({ figures }) => figures) },
  };
}

const loadOf = ({ tool, workDir }, server, paths) => ({ tool, workDir, paths, baseUrl: server.baseUrl });

async function measureConnections(context, paths, connections, seconds) {
  const { target, bare, options, say } = context;
  const rounds = [];
  const failures = [];
  for (let round = 0; round < options.rounds; round += 1) {
    const bareResult = await saturate({ ...loadOf(context, bare, paths), connections, seconds });
    const before = await readProgress(target);
    const cpu = watchCpu(target.pid);
    const result = await saturate({ ...loadOf(context, target, paths), connections, seconds });
    const used = cpu();
    const atEnd = await readProgress(target);
    const drained = await untilApplied(target);
    const accepted = drained.accepted - before.accepted;
    const appliedPerSecond = (atEnd.applied - before.applied) / result.seconds;
    rounds.push({ bare: bareResult, product: result, appliedPerSecond, accepted, drained, cpu: used });
    say(
      `  ${perSecond(result.perSecond)} acknowledged, ${perSecond(appliedPerSecond)} applied meanwhile, the rest within ` +
        `${drained.seconds.toFixed(1)} s; bare ${perSecond(bareResult.perSecond)}; other answers ${result.other}`,
    );
    const cost = costPerPing(used, result.perSecond);
    say(`  ${cpuLine(used)}${cost ? `; per ping ${costText(cost)}` : ''}`);
    if (result.acknowledged > accepted) {
      failures.push(`saturation: ${count(result.acknowledged)} pings got 200, flatline counted ${count(accepted)}`);
    }
    if (!drained.caughtUp) {
      failures.push(
        `saturation: ${count(drained.accepted - drained.applied)} acknowledged pings were not applied within 2 minutes`,
      );
    }
  }
  const middle = (read) => statistics.median(rounds.map(read));
  const bareRate = middle((round) => round.bare.perSecond);
  const rate = middle((round) => round.product.perSecond);
  const latency = (name, percentile) => {
    const [measured, baseline] = [
      middle((round) => round.product.latencyMs[percentile]),
      middle((round) => round.bare.latencyMs[percentile]),
    ];
    return { name, measured: ms(measured), baseline: ms(baseline), ratio: measured / baseline };
  };
  return {
    rows: [
      {
        name: `saturated, ${connections} connections: acknowledged`,
        measured: perSecond(rate),
        baseline: perSecond(bareRate),
        ratio: rate / bareRate,
      },
      latency('  p50', 'p50'),
      latency('  p99', 'p99'),
    ],
    failures,
    figures: { connections, rounds, bareSpread: statistics.spread(rounds.map((round) => round.bare.perSecond)) },
  };
}
