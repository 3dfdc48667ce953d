import { createReadStream, rmSync } from 'node:fs';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import statistics from '../statistics.cjs';
import { forEachAtOnce, pingPath } from '../target/api.mjs';
import { readProgress, untilApplied, watchLag } from '../target/metrics.mjs';
import { watchCpu, watchMemory } from '../target/process-tree.mjs';
import { pingAtRate } from './fixed-rate.mjs';
import { costPerPing, costText, count, cpuLine, GOALS, megabytes, ms, perSecond } from './goals.mjs';

/** Short enough that timers are moved again and again, long enough that nothing goes down before it is paused. */
const SCHEDULE = { interval_secs: 10, grace_secs: 60 };

/**
 * Pings at a rate that is to be kept up end to end: state, history and timers follow while it lasts. Afterwards every
 * id that was acknowledged is looked for in the history of its heartbeat.
 */
export async function measureSustained(context) {
  const { target, api, options, workDir, say } = context;
  const { rate, seconds } = options;
  const heartbeats = await api.createHeartbeats(
    Array.from({ length: options.heartbeats }, (_, index) => ({ name: `sustained ${index}`, ...SCHEDULE })),
  );
  const idsFile = path.join(workDir, 'sustained.ids');
  say(`sustained: ${count(rate)} pings/s to ${count(heartbeats.length)} heartbeats for ${seconds} s`);

  const before = await readProgress(target);
  const stopMemory = watchMemory(target.pid);
  const cpu = watchCpu(target.pid);
  const stopLag = watchLag(target);
  const load = await pingAtRate(target, { paths: heartbeats.map(pingPath), rate, seconds, idsFile });
  const used = cpu();
  const lags = await stopLag();
  const memory = stopMemory();
  const drained = await untilApplied(target);
  await forEachAtOnce(heartbeats, ({ id }) => api.pause(id));
  say(`  ${cpuLine(used)}; generator sent p99 ${ms(load.sendDelayMs.p99)} after due`);

  if (load.acknowledged < load.planned) say(`  not acknowledged, by answer: ${JSON.stringify(load.errors)}`);

  const history = await compareHistories(api, heartbeats, idsFile);
  rmSync(idsFile, { force: true });
  const lag = statistics.summarize(lags);
  const acknowledgedPerSecond = load.acknowledged / load.seconds;
  const applied = drained.applied - before.applied;
  const cost = costPerPing(used, acknowledgedPerSecond);
  say(
    `  watermark lag: mean ${lag.mean.toFixed(2)} s, max ${lag.max.toFixed(2)} s over ${lag.count} samples; ` +
      `all applied ${drained.seconds.toFixed(1)} s after the last answer`,
  );
  say(
    `  history: ${count(history.kept)} pings; acknowledged ${count(load.acknowledged)}, lost ${history.lost}, ` +
      `doubled ${history.doubled}, stored without an answer ${history.unexplained}`,
  );
  return {
    rows: [
      {
        name: `sustained for ${seconds} s, acknowledged`,
        measured: perSecond(acknowledgedPerSecond),
        goal: `>= ${perSecond(GOALS.sustainedPerSecond)}`,
        isMet: acknowledgedPerSecond >= GOALS.sustainedPerSecond,
      },
      {
        name: '  watermark lag, max',
        measured: `${lag.max.toFixed(2)} s`,
        goal: `< ${GOALS.lagSeconds} s`,
        isMet: lag.max < GOALS.lagSeconds,
      },
      { name: '  watermark lag, mean', measured: `${lag.mean.toFixed(2)} s` },
      { name: '  p50 / p99', measured: `${ms(load.latencyMs.p50)} / ${ms(load.latencyMs.p99)}` },
      ...(cost ? [{ name: '  processor time per ping', measured: costText(cost) }] : []),
      ...(memory ? [{ name: '  memory of the stack at load (pss)', measured: megabytes(memory.pssMb) }] : []),
      ...(memory ? [{ name: '  memory of the stack at load (rss)', measured: megabytes(memory.rssMb) }] : []),
      { name: '  acknowledged, lost', measured: count(history.lost), goal: '0', isMet: history.lost === 0 },
      { name: '  in the history twice', measured: count(history.doubled), goal: '0', isMet: history.doubled === 0 },
    ],
    failures: failuresOf({ load, applied, drained, history }),
    figures: { rate, seconds, load, lag, lags, cpu: used, costMicroseconds: cost, memory, drained, applied, history },
  };
}

function failuresOf({ load, applied, drained, history }) {
  const unanswered = load.statuses[0] ?? 0;
  return [
    history.lost > 0 && `sustained: ${history.lost} acknowledged pings are not in the history`,
    history.doubled > 0 && `sustained: ${history.doubled} pings are in the history twice`,
    history.unexplained > load.planned - load.acknowledged && 'sustained: the history holds pings that nobody sent',
    !drained.caughtUp &&
      `sustained: ${count(drained.accepted - drained.applied)} pings were not applied within 2 minutes`,
    applied < load.acknowledged && `sustained: ${count(load.acknowledged)} acknowledged, ${count(applied)} applied`,
    unanswered > 0 && `sustained: ${unanswered} requests got no answer (${JSON.stringify(load.errors)})`,
  ].filter(Boolean);
}

/** Every acknowledged id must be in its heartbeat's history, once. */
async function compareHistories(api, heartbeats, idsFile) {
  const acknowledged = heartbeats.map(() => []);
  for await (const line of createInterface({ input: createReadStream(idsFile) })) {
    const [index, id] = line.split(' ');
    acknowledged[Number(index)].push(id);
  }
  const sum = { kept: 0, lost: 0, doubled: 0, unexplained: 0 };
  await forEachAtOnce(heartbeats, async ({ id }, index) => {
    const history = await api.pingIds(id);
    const found = statistics.compareWithHistory(acknowledged[index], history);
    sum.kept += history.length;
    for (const name of Object.keys(found)) sum[name] += found[name];
  });
  return sum;
}
