import { createReadStream, readdirSync, rmSync, statSync } from 'node:fs';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import statistics from '../statistics.cjs';
import { forEachAtOnce, pingPath } from '../target/api.mjs';
import { readProgress, untilApplied, watchLag } from '../target/metrics.mjs';
import { watchCpu, watchMemory } from '../target/process-tree.mjs';
import { pingAtRate } from './fixed-rate.mjs';
import { costPerPing, costRows, costText, count, cpuLine, GOALS, megabytes, ms, perSecond } from './goals.mjs';

/** A timer is moved every 15 s, and nothing goes down before it is paused. */
const SCHEDULE = { interval_secs: 15, grace_secs: 15, alert_after_misses: 20 };
const DRAINED_WITHIN_MS = 300_000;
const SEARCH_STEPS = 5;
/** Of the rate that is offered: what may be missing of it without the run counting as one of another rate. */
const ENOUGH = 0.97;

/**
 * Pings at a rate that is to be kept up end to end: state, history and timers follow while it lasts. A cluster that does
 * not keep up is then asked for the highest rate that it does keep up. Afterwards every id that was ever acknowledged is
 * looked for in the history of its heartbeat.
 */
export async function measureSustained(context) {
  const { target, api, options, workDir, say } = context;
  const heartbeats = await api.createHeartbeats(
    Array.from({ length: options.heartbeats }, (_, index) => ({ name: `sustained ${index}`, ...SCHEDULE })),
  );
  const idsFile = path.join(workDir, 'sustained.ids');
  const paths = heartbeats.map(pingPath);
  const runs = [];
  const run = async (rate, seconds) => {
    runs.push(await keepUp(context, { paths, rate, seconds, idsFile }));
    return runs.at(-1);
  };

  const storedBefore = await storage(context);
  const first = await run(options.rate, options.seconds);
  const search = [];
  let highest = first;
  if (!first.isKeptUp && target.name === 'cluster') {
    search.push(...(await searchRate(first, (rate) => run(rate, options.isQuick ? 5 : 12))));
    const best = search.filter(({ isKeptUp }) => isKeptUp).at(-1);
    // What holds for some seconds may not hold for long.
    for (let rate = best?.rate ?? 0, tries = 0; rate > 0 && tries < 3; rate = Math.round(rate * 0.9), tries += 1) {
      highest = await run(rate, options.seconds);
      if (highest.isKeptUp) break;
    }
  }
  const storedAfter = await storage(context);
  await forEachAtOnce(heartbeats, ({ id }) => api.pause(id));

  const history = await compareHistories(api, heartbeats, idsFile);
  rmSync(idsFile, { force: true });
  const acknowledged = runs.reduce((sum, { load }) => sum + load.acknowledged, 0);
  say(
    `  history: ${count(history.kept)} pings; acknowledged ${count(acknowledged)}, lost ${history.lost}, ` +
      `doubled ${history.doubled}, stored without an answer ${history.unexplained}`,
  );
  const bytesPerPing = storedBefore && perPing(storedBefore, storedAfter, acknowledged);
  return {
    rows: [
      ...runRows(first, GOALS[target.name].sustainedPerSecond),
      ...(highest === first ? [] : runRows(highest)),
      ...costRows(highest.cost),
      ...(bytesPerPing
        ? [{ name: '  stored per ping: history in Postgres', measured: `${bytesPerPing.history} bytes` }]
        : []),
      ...(bytesPerPing
        ? [{ name: '  stored per ping: log in Kafka, with pulses', measured: `${bytesPerPing.log} bytes` }]
        : []),
      { name: '  acknowledged, lost', measured: count(history.lost), goal: '0', isMet: history.lost === 0 },
      { name: '  in the history twice', measured: count(history.doubled), goal: '0', isMet: history.doubled === 0 },
    ],
    failures: failuresOf(runs, history),
    figures: { runs, highestRate: highest.isKeptUp ? highest.rate : null, history, bytesPerPing },
  };
}

/** One run at one rate, until all of it is applied. */
async function keepUp(context, { paths, rate, seconds, idsFile }) {
  const { target, profiled, say } = context;
  say(`sustained: ${count(rate)} pings/s to ${count(paths.length)} heartbeats for ${seconds} s`);
  const before = await readProgress(target);
  const stopMemory = watchMemory(target);
  const cpu = watchCpu(target);
  const stopLag = watchLag(target);
  const load = await profiled(`sustained-${rate}`, () => {
    return pingAtRate(target.ingests(), { paths, rate, seconds, idsFile });
  });
  const lags = await stopLag();
  const used = cpu();
  const memory = stopMemory();
  const drained = await untilApplied(target, DRAINED_WITHIN_MS);
  const cost = costPerPing(cpu(), load.acknowledged);
  const lag = statistics.summarize(lags);
  const acknowledgedPerSecond = load.acknowledged / load.seconds;
  const isKeptUp = acknowledgedPerSecond >= rate * ENOUGH && lag.max < GOALS.lagSeconds;
  const applied = drained.applied - before.applied;
  say(`  ${cpuLine(used)}; generator sent p99 ${ms(load.sendDelayMs.p99)} after due`);
  if (load.acknowledged < load.planned) say(`  not acknowledged, by answer: ${JSON.stringify(load.errors)}`);
  say(
    `  ${perSecond(acknowledgedPerSecond)} acknowledged; watermark lag: mean ${lag.mean.toFixed(2)} s, ` +
      `max ${lag.max.toFixed(2)} s over ${lag.count} samples; all applied ${drained.seconds.toFixed(1)} s after the last answer`,
  );
  if (cost) say(`  per ping, until all were applied: ${costText(cost)}`);
  return { rate, seconds, load, lag, lags, acknowledgedPerSecond, isKeptUp, applied, drained, cpu: used, cost, memory };
}

/** Halves the distance between what is kept up and what is not. @returns the runs, by rate */
async function searchRate(first, run) {
  const tried = [];
  let kept = 0;
  let missed = first.rate;
  // What came through in the end is a good first guess.
  let rate = first.applied / (first.load.seconds + first.drained.seconds);
  for (let step = 0; step < SEARCH_STEPS && missed - kept > first.rate / 50; step += 1) {
    const result = await run(Math.round(Math.min(rate, missed * 0.95)));
    tried.push(result);
    if (result.isKeptUp) kept = result.rate;
    else missed = result.rate;
    rate = (kept + missed) / 2;
  }
  return tried.sort((a, b) => a.rate - b.rate);
}

function runRows({ rate, seconds, load, lag, acknowledgedPerSecond, memory }, goalPerSecond) {
  const goals = goalPerSecond !== undefined;
  return [
    {
      name: goals
        ? `sustained for ${seconds} s, acknowledged`
        : `highest rate kept up (${count(rate)} offered), acknowledged`,
      measured: perSecond(acknowledgedPerSecond),
      ...(goals ? { goal: `>= ${perSecond(goalPerSecond)}`, isMet: acknowledgedPerSecond >= goalPerSecond } : {}),
    },
    {
      name: '  watermark lag, max',
      measured: `${lag.max.toFixed(2)} s`,
      goal: `< ${GOALS.lagSeconds} s`,
      isMet: lag.max < GOALS.lagSeconds,
    },
    { name: '  watermark lag, mean', measured: `${lag.mean.toFixed(2)} s` },
    { name: '  p50 / p99', measured: `${ms(load.latencyMs.p50)} / ${ms(load.latencyMs.p99)}` },
    ...(memory ? [{ name: '  memory of the stack at load (pss)', measured: megabytes(memory.pssMb) }] : []),
    ...(memory ? [{ name: '  memory of the stack at load (rss)', measured: megabytes(memory.rssMb) }] : []),
  ];
}

function failuresOf(runs, history) {
  const ofRuns = runs.flatMap(({ rate, load, applied, drained }) => {
    const unanswered = load.statuses[0] ?? 0;
    return [
      !drained.caughtUp &&
        `sustained: ${count(drained.accepted - drained.applied)} pings were not applied within 5 minutes`,
      applied < load.acknowledged &&
        `sustained at ${rate}/s: ${count(load.acknowledged)} acknowledged, ${count(applied)} applied`,
      unanswered > 0 && `sustained at ${rate}/s: ${unanswered} requests got no answer (${JSON.stringify(load.errors)})`,
    ];
  });
  const missing = runs.reduce((sum, { load }) => sum + load.planned - load.acknowledged, 0);
  return [
    history.lost > 0 && `sustained: ${history.lost} acknowledged pings are not in the history`,
    history.doubled > 0 && `sustained: ${history.doubled} pings are in the history twice`,
    history.unexplained > missing && 'sustained: the history holds pings that nobody sent',
    ...ofRuns,
  ].filter(Boolean);
}

/** Every acknowledged id must be in its heartbeat's history, once. */
export async function compareHistories(api, heartbeats, idsFile) {
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

/** Bytes of the history and of the log; null where the target does not tell. */
async function storage({ target, database }) {
  if (!database) return null;
  const { ping } = await database.bytesOf('ping');
  const files = readdirSync(path.join(target.dataDir, 'kafka'), { recursive: true, withFileTypes: true });
  const log = files
    .filter((file) => file.name.endsWith('.log') && file.parentPath.includes('flatline.pings'))
    .reduce((sum, file) => sum + statSync(path.join(file.parentPath, file.name)).size, 0);
  return { history: ping, log };
}

const perPing = (before, after, pings) => ({
  history: Math.round((after.history - before.history) / pings),
  log: Math.round((after.log - before.log) / pings),
});
