import { rmSync } from 'node:fs';
import * as path from 'node:path';
import { forEachAtOnce, pingPath } from '../target/api.mjs';
import { startWebhookReceiver } from '../target/helper-process.mjs';
import { readLag } from '../target/metrics.mjs';
import { sleep } from '../target/product-process.mjs';
import { collect } from './alerts.mjs';
import { pingAtRate, pingOnce } from './fixed-rate.mjs';
import { count, GOALS, inSeconds } from './goals.mjs';
import outage from './outage.cjs';
import { compareHistories } from './sustained.mjs';

const VICTIMS = ['gateway', 'ingest', 'management-api', 'deadline-scheduler', 'notifier', 'kafka', 'redis', 'postgres'];
/** Down 5 s after the last ping: any hole that is not accounted for would alarm. */
const SCHEDULE = { interval_secs: 2, grace_secs: 1 };
const STEADY = 100;
/** Heartbeats that fall silent just before the kill, and must alert. */
const SILENT = 20;
const RATE = 500;
const KILL_AFTER_MS = 5_000;
const LOOK_EVERY_MS = 200;
const WELL_WITHIN_MS = 90_000;

/**
 * kill -9 of one process of each kind under a steady load, the servers included; the supervisor starts it again. How long
 * pings stay unanswered and the watermark behind; that nothing acknowledged is lost or doubled; that whoever is silent
 * alerts once, and nobody else.
 */
export async function measureRecovery(context) {
  const { api, options, target } = context;
  const unknown = options.kill?.find((name) => !VICTIMS.includes(name));
  if (unknown !== undefined) throw new Error(`--kill ${unknown}: there are ${VICTIMS.join(', ')}`);
  const receiver = await startWebhookReceiver();
  const channel = await api.createWebhookChannel('bench', receiver.url);
  const outcomes = [];
  try {
    for (const victim of options.kill ?? VICTIMS) {
      outcomes.push(await killOne(context, receiver, victim));
      await target.untilAllReady();
    }
  } finally {
    await api.deleteChannel(channel.id);
    await receiver.stop();
  }
  return {
    rows: outcomes.flatMap(rowsOf),
    failures: outcomes.flatMap(failuresOf),
    figures: outcomes,
  };
}

async function killOne(context, receiver, victim) {
  const { target, api, options, workDir, say } = context;
  const seconds = options.isQuick ? 20 : 40;
  const make = (name, length) =>
    api.createHeartbeats(Array.from({ length }, (_, index) => ({ name: `${name} ${index}`, ...SCHEDULE })));
  const steady = await make('steady', STEADY);
  const silent = await make('silent', SILENT);
  const idsFile = path.join(workDir, `recovery-${victim}.ids`);
  say(`recovery: kill -9 of ${victim} at ${RATE} pings/s`);

  const stopWatching = watchWell(target);
  const loading = pingAtRate(target, { paths: steady.map(pingPath), rate: RATE, seconds, idsFile });
  loading.catch(() => {}); // told when awaited
  await sleep(KILL_AFTER_MS - 1_000);
  await pingOnce(target, silent.map(pingPath), SILENT * 2);
  const { pid } = target.processes().find(({ name }) => name === victim);
  const killedAt = Date.now();
  process.kill(pid, 'SIGKILL');
  const load = await loading;
  await forEachAtOnce(steady, ({ id }) => api.pause(id));
  const wellAfterMs = await stopWatching(killedAt);
  const arrivals = await collect(receiver, 'heartbeat.down', SILENT);

  const { pauseMs, failed, lastFailureMs } = outage.outageOf(load.timeline, killedAt - load.startedAt);
  const history = await compareHistories(api, steady, idsFile);
  rmSync(idsFile, { force: true });
  const known = new Set(silent.map(({ id }) => id));
  const told = arrivals.filter(({ type, heartbeatId }) => type === 'heartbeat.down' && known.has(heartbeatId));
  const toldOf = new Set(told.map(({ heartbeatId }) => heartbeatId));
  const outcome = {
    ...{ victim, pauseMs, failed, lastFailureMs, wellAfterMs, history, errors: load.errors, planned: load.planned },
    acknowledged: load.acknowledged,
    falseAlarms: arrivals.filter(({ type, heartbeatId }) => type === 'heartbeat.down' && !known.has(heartbeatId))
      .length,
    alerts: { due: SILENT, told: toldOf.size, twice: told.length - toldOf.size },
  };
  say(
    `  no acknowledgement for ${inSeconds(pauseMs)}, ${count(failed)} of ${count(load.planned)} failed, the last ` +
      `${inSeconds(lastFailureMs)} after the kill; lag below ${GOALS.lagSeconds} s after ${inSeconds(wellAfterMs ?? NaN)}`,
  );
  say(
    `  lost ${history.lost}, doubled ${history.doubled}; false alarms ${outcome.falseAlarms}; alerts ${JSON.stringify(outcome.alerts)}`,
  );
  return outcome;
}

/** Looks at the watermark until all of it is well, and at least until stopped. */
function watchWell(target) {
  const samples = [];
  let isStopped = false;
  const loop = (async () => {
    while (!isStopped) {
      const at = Date.now();
      samples.push({ at, isWell: (await readLag(target)) < GOALS.lagSeconds });
      await sleep(LOOK_EVERY_MS);
    }
  })();
  return async (killedAt) => {
    const giveUpAt = performance.now() + WELL_WITHIN_MS;
    while (!samples.at(-1).isWell && performance.now() < giveUpAt) await sleep(LOOK_EVERY_MS);
    isStopped = true;
    await loop;
    return outage.wellAgainAfter(samples, killedAt);
  };
}

function rowsOf({ victim, pauseMs, failed, lastFailureMs, wellAfterMs, history, falseAlarms, alerts }) {
  const promised = history.lost + history.doubled + falseAlarms + alerts.twice + (alerts.due - alerts.told);
  return [
    { name: `kill -9 ${victim}: nothing acknowledged for`, measured: inSeconds(pauseMs) },
    {
      name: '  pings that failed',
      measured: failed === 0 ? '0' : `${count(failed)}, until ${inSeconds(lastFailureMs)}`,
    },
    { name: `  lag below ${GOALS.lagSeconds} s again after`, measured: inSeconds(wellAfterMs ?? NaN) },
    {
      name: '  lost, doubled, false alarms; alerts due, told',
      measured: `${history.lost}, ${history.doubled}, ${falseAlarms}; ${alerts.due}, ${alerts.told}`,
      goal: '0, 0, 0; all once',
      isMet: promised === 0,
    },
  ];
}

function failuresOf({ victim, wellAfterMs, history, falseAlarms, alerts }) {
  return [
    history.lost > 0 && `recovery from ${victim}: ${history.lost} acknowledged pings are not in the history`,
    history.doubled > 0 && `recovery from ${victim}: ${history.doubled} pings are in the history twice`,
    falseAlarms > 0 && `recovery from ${victim}: ${falseAlarms} false alarms`,
    alerts.told < alerts.due && `recovery from ${victim}: ${alerts.due - alerts.told} alerts did not come`,
    alerts.twice > 0 && `recovery from ${victim}: ${alerts.twice} alerts came twice`,
    wellAfterMs === null && `recovery from ${victim}: the watermark stayed behind`,
  ].filter(Boolean);
}
