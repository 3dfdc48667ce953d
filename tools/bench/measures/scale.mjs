import * as path from 'node:path';
import { saturate } from '../load/saturate.mjs';
import statistics from '../statistics.cjs';
import { Api, pingPath } from '../target/api.mjs';
import { startCluster } from '../target/cluster.mjs';
import { readProgress, untilApplied } from '../target/metrics.mjs';
import { watchCpu } from '../target/process-tree.mjs';
import { costPerPing, costText, count, cpuLine, perSecond } from './goals.mjs';

const PROCESSES = [1, 2];
const CONNECTIONS = 256;
const DRAINED_WITHIN_MS = 300_000;

/** Clusters of their own, with one and with two processes of each service, asked for as much as they give. */
export async function measureScale({ bare, tool, options, workDir, logFile, say }) {
  const outcomes = [];
  for (const processes of PROCESSES) {
    say(`scale: ${processes} of each service`);
    const target = await startCluster({
      dataDir: path.join(workDir, `scale-${processes}`),
      logFile,
      processesPerService: processes,
      env: options.env,
    });
    try {
      outcomes.push(await measureOne({ target, bare, tool, options, workDir, say }));
    } finally {
      await target.stop();
    }
  }
  const [one, two] = outcomes;
  const rows = (name, unit) =>
    outcomes.map((outcome) => ({
      name: `${name}, ${outcome.processes} of each`,
      measured: perSecond(outcome[unit]),
      ...(unit === 'perSecond' ? { baseline: perSecond(outcome.bare), ratio: outcome.perSecond / outcome.bare } : {}),
    }));
  return {
    rows: [
      ...rows(`acknowledged at the ingests`, 'perSecond'),
      { name: '  2 of each, as against 1', measured: `x ${(two.perSecond / one.perSecond).toFixed(2)}` },
      ...rows('end to end (state, history, timers)', 'throughput'),
      { name: '  2 of each, as against 1', measured: `x ${(two.throughput / one.throughput).toFixed(2)}` },
    ],
    failures: outcomes
      .filter(({ drained }) => !drained.caughtUp)
      .map(({ processes, drained }) => {
        return `scale: ${count(drained.accepted - drained.applied)} pings were not applied with ${processes} of each`;
      }),
    figures: outcomes,
  };
}

async function measureOne({ target, bare, tool, options, workDir, say }) {
  const api = new Api(target);
  const heartbeats = await api.createHeartbeats(
    Array.from({ length: 1_000 }, (_, index) => ({ name: `scale ${index}`, interval_secs: 3_600, grace_secs: 300 })),
  );
  await api.close();
  const paths = heartbeats.map(pingPath);
  const seconds = options.isQuick ? 4 : 10;
  const load = (servers) => saturate({ tool, servers, paths, connections: CONNECTIONS, seconds, workDir });
  await load(target.ingests()); // warm
  await untilApplied(target, DRAINED_WITHIN_MS);
  const rounds = [];
  for (let round = 0; round < options.rounds; round += 1) {
    const bareResult = await load([bare]);
    const before = await readProgress(target);
    const startedAt = performance.now();
    const cpu = watchCpu(target);
    const result = await load(target.ingests());
    const drained = await untilApplied(target, DRAINED_WITHIN_MS);
    const wholeSeconds = (performance.now() - startedAt) / 1_000;
    const used = cpu();
    const accepted = drained.accepted - before.accepted;
    rounds.push({
      bare: bareResult.perSecond,
      perSecond: result.perSecond,
      throughput: accepted / wholeSeconds,
      drained,
      cpu: used,
    });
    say(
      `  ${perSecond(result.perSecond)} acknowledged, ${perSecond(accepted / wholeSeconds)} end to end; ${cpuLine(used)}`,
    );
    const cost = costPerPing(used, accepted);
    if (cost) say(`  per ping: ${costText(cost)}`);
  }
  const middle = (name) => statistics.median(rounds.map((round) => round[name]));
  return {
    processes: target.processesPerService,
    perSecond: middle('perSecond'),
    throughput: middle('throughput'),
    bare: middle('bare'),
    drained: rounds.find(({ drained }) => !drained.caughtUp)?.drained ?? rounds[0].drained,
    rounds,
  };
}
