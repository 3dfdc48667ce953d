import { saturate } from '../load/saturate.mjs';
import statistics from '../statistics.cjs';
import { pingPath } from '../target/api.mjs';
import { readProgress, untilApplied } from '../target/metrics.mjs';
import { watchCpu } from '../target/process-tree.mjs';
import { costPerPing, costText, count, cpuLine, GOALS, ms, perSecond } from './goals.mjs';

const CONNECTIONS = [64, 256];
const DRAINED_WITHIN_MS = 300_000;

/**
 * As many pings as are acknowledged, against a bare server, in turns: bare, product, bare, product, ... The machine's
 * other work then disturbs both alike, and how far the bare server's own rounds lie apart says how much. A cluster is asked
 * at its ingests directly, then once through its gateway, then once more at the ingests with nothing done with the pings
 * meanwhile: what an ingest gives where the others run elsewhere.
 */
export async function measureSaturation(context) {
  const { api, options, target, say } = context;
  const heartbeats = await api.createHeartbeats(
    Array.from({ length: 1_000 }, (_, index) => ({ name: `busy ${index}`, interval_secs: 3600, grace_secs: 300 })),
  );
  const paths = heartbeats.map(pingPath);
  const seconds = options.isQuick ? 4 : 10;
  await saturate({ ...loadOf(context, target.ingests(), paths), connections: CONNECTIONS[0], seconds: 2 }); // warm
  await untilApplied(target);

  const outcomes = [];
  for (const connections of CONNECTIONS) {
    for (const { name, rounds, ...how } of waysTo(target, options)) {
      const run = { connections, name: `saturated, ${connections} connections${name}`, rounds, seconds, paths, ...how };
      say(`${run.name}: ${rounds} rounds of ${seconds} s each, by ${context.tool}`);
      outcomes.push(await measureConnections(context, run));
    }
  }
  return {
    rows: outcomes.flatMap(({ rows }) => rows),
    failures: outcomes.flatMap(({ failures }) => failures),
    figures: { tool: context.tool, runs: outcomes.map(({ figures }) => figures) },
  };
}

/** @returns {{ name: string, rounds: number, servers: object[], goal?: number, isHeldBack?: boolean }[]} */
function waysTo(target, { rounds }) {
  if (target.name === 'standalone') return [{ name: '', rounds, servers: [target] }];
  const servers = target.ingests();
  return [
    { name: `, at ${servers.length} ingests`, rounds, servers, goal: GOALS.cluster.ofBareServer },
    { name: ', through the gateway', rounds: 1, servers: [target] },
    { name: ', at the ingests, schedulers held back', rounds: 1, servers, isHeldBack: true },
  ];
}

const loadOf = ({ tool, workDir }, servers, paths) => ({ tool, workDir, paths, servers });

/** Stops the schedulers as a debugger would, for less time than anybody notices; afterwards they have all to do. */
async function heldBack(target, work) {
  const pids = target.processes().flatMap(({ name, pid }) => (name === 'deadline-scheduler' ? [pid] : []));
  pids.forEach((pid) => process.kill(pid, 'SIGSTOP'));
  try {
    return await work();
  } finally {
    pids.forEach((pid) => process.kill(pid, 'SIGCONT'));
  }
}

async function measureConnections(
  context,
  { name, connections, rounds: length, seconds, paths, servers, goal, isHeldBack },
) {
  const { target, bare, profiled, say } = context;
  const rounds = [];
  const failures = [];
  for (let round = 0; round < length; round += 1) {
    const bareResult = await saturate({ ...loadOf(context, [bare], paths), connections, seconds });
    const before = await readProgress(target);
    const cpu = watchCpu(target);
    const load = () => saturate({ ...loadOf(context, servers, paths), connections, seconds });
    const result = isHeldBack
      ? await heldBack(target, load)
      : await profiled(`${name}, round ${round + 1}`.replaceAll(/[^a-z0-9]+/g, '-'), load);
    const used = cpu();
    const startedDrainingAt = performance.now();
    const atEnd = await readProgress(target);
    const drained = await untilApplied(target, DRAINED_WITHIN_MS);
    const wholeSeconds = result.seconds + (performance.now() - startedDrainingAt) / 1000;
    const whole = cpu();
    const accepted = drained.accepted - before.accepted;
    const appliedPerSecond = (atEnd.applied - before.applied) / result.seconds;
    const throughput = accepted / wholeSeconds;
    rounds.push({
      bare: bareResult,
      product: result,
      appliedPerSecond,
      throughput,
      accepted,
      drained,
      cpu: used,
      whole,
    });
    say(
      `  ${perSecond(result.perSecond)} acknowledged, ${perSecond(appliedPerSecond)} applied meanwhile, the rest within ` +
        `${drained.seconds.toFixed(1)} s (${perSecond(throughput)} end to end); bare ${perSecond(bareResult.perSecond)}; ` +
        `other answers ${result.other}`,
    );
    say(`  ${cpuLine(used)}`);
    const cost = costPerPing(whole, accepted);
    if (cost) say(`  per ping, until all were applied: ${costText(cost)}`);
    if (result.acknowledged > accepted) {
      failures.push(`${name}: ${count(result.acknowledged)} pings got 200, flatline counted ${count(accepted)}`);
    }
    if (!drained.caughtUp) {
      failures.push(
        `${name}: ${count(drained.accepted - drained.applied)} acknowledged pings were not applied within ` +
          `${DRAINED_WITHIN_MS / 60_000} minutes`,
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
        name,
        measured: perSecond(rate),
        ...(goal ? { goal: `>= ${goal} of bare`, isMet: rate >= bareRate * goal } : {}),
        baseline: perSecond(bareRate),
        ratio: rate / bareRate,
      },
      latency('  p50', 'p50'),
      latency('  p99', 'p99'),
      ...(isHeldBack ? [] : [{ name: '  end to end', measured: perSecond(middle((round) => round.throughput)) }]),
    ],
    failures,
    figures: { name, connections, rounds, bareSpread: statistics.spread(rounds.map((round) => round.bare.perSecond)) },
  };
}
