import statistics from '../statistics.cjs';
import { forEachAtOnce, pingPath } from '../target/api.mjs';
import { startWebhookReceiver } from '../target/helper-process.mjs';
import { untilApplied } from '../target/metrics.mjs';
import { watchCpu } from '../target/process-tree.mjs';
import { pingAtRate, pingOnce } from './fixed-rate.mjs';
import { count, cpuLine, GOALS, ms } from './goals.mjs';

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const BURST = { interval_secs: 2, grace_secs: 1 };
/** Misses until a heartbeat is down, by default. */
const MISSES = 2;
const ALL_WITHIN_MS = 60_000;
/** How long to listen for alerts that come twice. */
const LISTEN_ON_MS = 3_000;
const ARM_RATE = 500;
const BACKGROUND_RATE = 1_000;
/** Heartbeats pinged per second, and so deadlines per second, while they are spread. */
export const SPREAD_RATE = 20;
/** Requests to the API under way at any time while it is kept busy. */
const API_CLIENTS = 16;

/**
 * From the true deadline (received + 2 intervals + grace) to the arrival of the webhook, with many heartbeats armed:
 * deadlines spread over time, the same under load, and many at once, with their recoveries.
 */
export async function measureAlerts(context) {
  const { target, api, options, say } = context;
  const receiver = await startWebhookReceiver();
  const channel = await api.createWebhookChannel('bench', receiver.url);
  const outcomes = [];
  try {
    const spreadCount = options.isQuick ? 100 : 400;
    const burstCount = options.isQuick ? 200 : 1_000;
    say(`alerts: creating ${count(options.armed)} heartbeats`);
    const armed = await api.createHeartbeats(
      Array.from({ length: options.armed }, (_, index) => ({
        name: `armed ${index}`,
        interval_secs: 3600,
        grace_secs: 300,
      })),
    );
    const armedPaths = armed.map(pingPath);
    await pingOnce(target, armedPaths, ARM_RATE);
    await untilApplied(target);
    const run = { context, receiver };

    say(`alerts: ${spreadCount} deadlines spread over ${spreadCount / SPREAD_RATE} s`);
    outcomes.push(
      await measureDowns(run, 'deadline to alert, spread', await createSpread(api, spreadCount), SPREAD_RATE),
    );

    say(`alerts: the same at ${count(BACKGROUND_RATE)} pings/s to the others`);
    const seconds = spreadCount / SPREAD_RATE + 10;
    const background = pingAtRate(target, { paths: armedPaths, rate: BACKGROUND_RATE, seconds });
    outcomes.push(
      await measureDowns(
        run,
        `deadline to alert at ${count(BACKGROUND_RATE)} pings/s`,
        await createSpread(api, spreadCount),
        SPREAD_RATE,
      ),
    );
    await background;

    say('alerts: the same while the API is kept busy with changes');
    const stopChanges = keepChanging(api, armed);
    outcomes.push(
      await measureDowns(run, 'deadline to alert, API busy', await createSpread(api, spreadCount), SPREAD_RATE),
    );
    say(`  ${count(await stopChanges())} changes answered meanwhile`);

    say(`alerts: ${count(burstCount)} deadlines within half a second, then their recoveries`);
    const burst = await api.createHeartbeats(
      Array.from({ length: burstCount }, (_, index) => ({ name: `burst ${index}`, ...BURST })),
    );
    outcomes.push(await measureDowns(run, `deadline to alert, ${count(burstCount)} at once`, burst, burstCount * 2));
    outcomes.push(await measureRecoveries(run, burst));
  } finally {
    await api.deleteChannel(channel.id);
    await receiver.stop();
  }
  return {
    rows: outcomes.flatMap(({ rows }) => rows),
    failures: outcomes.flatMap(({ failures }) => failures),
    figures: outcomes.map(({ figures }) => figures),
  };
}

/** Changes heartbeats one after another until stopped; answers how many changes that were. */
function keepChanging(api, heartbeats) {
  let isStopped = false;
  let changes = 0;
  const client = async () => {
    while (!isStopped) {
      changes += 1;
      await api.rename(heartbeats[changes % heartbeats.length].id, `renamed ${changes}`);
    }
  };
  const clients = Promise.all(Array.from({ length: API_CLIENTS }, client));
  clients.catch(() => {}); // told when stopped
  return async () => {
    isStopped = true;
    await clients;
    return changes;
  };
}

export function createSpread(api, length) {
  return api.createHeartbeats(
    Array.from({ length }, (_, index) => ({
      name: `spread ${index}`,
      interval_secs: 1 + (index % 3),
      grace_secs: index % 2,
    })),
  );
}

/** Pings each heartbeat once, at `rate`, lets them go down and compares what came with what was due. */
export async function measureDowns({ context, receiver }, name, heartbeats, rate) {
  const { target, api, say } = context;
  const cpu = watchCpu(target);
  await pingOnce(target, heartbeats.map(pingPath), rate);
  const arrivals = await collect(receiver, 'heartbeat.down', heartbeats.length);
  const used = cpu();
  const downs = byHeartbeat(arrivals.filter(({ type }) => type === 'heartbeat.down'));
  const known = new Set(heartbeats.map(({ id }) => id));
  const latencies = [];
  const found = { missing: 0, doubled: 0, early: 0, misdated: 0, uncalledFor: 0 };
  await forEachAtOnce(heartbeats, async (heartbeat) => {
    const { last_pinged_at } = await api.heartbeat(heartbeat.id);
    const dueAt = Date.parse(last_pinged_at) + (MISSES * heartbeat.interval_secs + heartbeat.grace_secs) * 1000;
    const mine = downs.get(heartbeat.id) ?? [];
    if (mine.length === 0) found.missing += 1;
    else latencies.push(mine[0].at - dueAt);
    found.doubled += Math.max(0, mine.length - 1);
    found.early += mine.filter(({ at }) => at < dueAt).length;
    found.misdated += mine.filter(({ timestamp }) => Date.parse(timestamp) !== dueAt).length;
  });
  found.uncalledFor = arrivals.filter(
    ({ type, heartbeatId }) => type !== 'heartbeat.down' || !known.has(heartbeatId),
  ).length;
  return outcomeOf({ name, latencies, found, expected: heartbeats.length, used, say });
}

/** Pings what is down once more; each recovery is told once, counted from when its ping was received. */
async function measureRecoveries({ context, receiver }, heartbeats) {
  const { target, api, say } = context;
  const cpu = watchCpu(target);
  await pingOnce(target, heartbeats.map(pingPath), heartbeats.length * 2);
  const arrivals = await collect(receiver, 'heartbeat.recovered', heartbeats.length);
  const used = cpu();
  await forEachAtOnce(heartbeats, ({ id }) => api.pause(id)); // or they would go on going down
  const recoveries = byHeartbeat(arrivals.filter(({ type }) => type === 'heartbeat.recovered'));
  const latencies = [];
  const found = { missing: 0, doubled: 0, early: 0, misdated: 0, uncalledFor: 0 };
  for (const { id } of heartbeats) {
    const mine = recoveries.get(id) ?? [];
    if (mine.length === 0) found.missing += 1;
    else latencies.push(mine[0].at - Date.parse(mine[0].timestamp));
    found.doubled += Math.max(0, mine.length - 1);
  }
  return outcomeOf({
    name: 'ping to recovery',
    latencies,
    found,
    expected: heartbeats.length,
    used,
    say,
    hasGoal: false,
  });
}

function outcomeOf({ name, latencies, found, expected, used, say, hasGoal = true }) {
  const latency = statistics.summarize(latencies);
  say(
    `  ${latency.count} of ${expected} came: p50 ${ms(latency.p50)}, p99 ${ms(latency.p99)}, slowest ${ms(latency.max)}`,
  );
  say(`  ${cpuLine(used)}`);
  const sentences = {
    missing: 'did not come',
    doubled: 'came twice',
    early: 'came before their deadline',
    misdated: 'did not carry the instant of the deadline',
    uncalledFor: 'were not called for',
  };
  return {
    rows: [
      { name: `${name}, p50`, measured: ms(latency.p50) },
      {
        name: '  p99',
        measured: ms(latency.p99),
        ...(hasGoal ? { goal: `< ${ms(GOALS.alertP99Ms)}`, isMet: latency.p99 < GOALS.alertP99Ms } : {}),
      },
      { name: '  slowest', measured: ms(latency.max) },
      {
        name: '  came, once each',
        measured: `${count(latency.count)} of ${count(expected)}`,
        goal: 'all',
        isMet: Object.values(found).every((number) => number === 0),
      },
    ],
    failures: Object.entries(found)
      .filter(([, number]) => number > 0)
      .map(([kind, number]) => `${name}: ${count(number)} of ${count(expected)} alerts ${sentences[kind]}`),
    figures: { name, expected, latencyMs: latency, ...found, cpu: used },
  };
}

/** Takes arrivals until as many of a type have come as are expected, and a moment longer; or until time is up. */
export async function collect(receiver, type, expected) {
  const arrivals = [];
  const giveUpAt = performance.now() + ALL_WITHIN_MS;
  while (arrivals.filter((arrival) => arrival.type === type).length < expected && performance.now() < giveUpAt) {
    await sleep(250);
    arrivals.push(...(await receiver.take()));
  }
  await sleep(LISTEN_ON_MS);
  arrivals.push(...(await receiver.take()));
  return arrivals;
}

function byHeartbeat(arrivals) {
  const found = new Map();
  for (const arrival of arrivals) {
    const mine = found.get(arrival.heartbeatId);
    if (mine) mine.push(arrival);
    else found.set(arrival.heartbeatId, [arrival]);
  }
  return found;
}
