import { Redis } from 'ioredis';
import statistics from '../statistics.cjs';
import { pingPath } from '../target/api.mjs';
import { startWebhookReceiver } from '../target/helper-process.mjs';
import { readArmed, untilApplied } from '../target/metrics.mjs';
import { watchCpu } from '../target/process-tree.mjs';
import { sleep } from '../target/product-process.mjs';
import { createSpread, measureDowns, SPREAD_RATE } from './alerts.mjs';
import { pingOnce } from './fixed-rate.mjs';
import { count, cpuLine, GOALS, inSeconds, metBy, ms } from './goals.mjs';

const ARM_RATE = 2_000;
const ARMED_WITHIN_MS = 60_000;
const OTHERS_ENDED_WITHIN_MS = 60_000;
/** Heartbeats of the same second are pinged for so many seconds, and have so much less grace with each of them. */
const PING_SECONDS = 5;
const SAME_SECOND = { interval_secs: 10, grace_secs: 10 };
const JUDGED_WITHIN_MS = 120_000;

/**
 * With very many heartbeats armed, each by a ping of its own: what that takes of Redis, Postgres and the idle processors,
 * how soon deadlines that are spread over time become events, and how soon very many of the same second are judged.
 */
export async function measureArmed(context) {
  const held = await measureHeld(context);
  const spread = await measureSpread(context);
  const burst = await measureSameSecond(context);
  return {
    rows: [...heldRows(held), ...spreadRows(spread, held.armed), ...burstRows(burst)],
    failures: [
      ...spread.outcome.failures,
      ...(burst.latency.count < burst.expected
        ? [
            `armed: ${count(burst.expected - burst.latency.count)} of ${count(burst.expected)} deadlines were not judged`,
          ]
        : []),
    ],
    figures: { held, spread, burst },
  };
}

/** Arms them, and looks at what that takes while nothing happens. */
async function measureHeld({ target, api, database, options, say }) {
  const redis = new Redis(target.redisUrl);
  try {
    say(`armed: making and pinging ${count(options.many)} heartbeats`);
    const [template] = await api.createHeartbeats([{ name: 'armed', interval_secs: 3_600, grace_secs: 300 }]);
    await untilOthersEnded(target, database);
    const before = await bytesHeld(database, redis);
    const heartbeats = await database.cloneHeartbeats(template, options.many);
    const armedBefore = await readArmed(target);
    await pingOnce(target.ingests(), heartbeats.map(pingPath), ARM_RATE);
    await untilApplied(target);
    await untilArmed(target, armedBefore + heartbeats.length);
    const after = await bytesHeld(database, redis);
    const idleSeconds = options.isQuick ? 10 : 30;
    const cpu = watchCpu(target);
    await sleep(idleSeconds * 1_000);
    const idle = cpu();
    say(`  nothing but them for ${idleSeconds} s: ${cpuLine(idle)}`);
    return {
      armed: heartbeats.length,
      redisBytes: (after.redis - before.redis) / heartbeats.length,
      postgresBytes: (after.postgres - before.postgres) / heartbeats.length,
      idle,
    };
  } finally {
    redis.disconnect();
  }
}

function heldRows({ armed, redisBytes, postgresBytes, idle }) {
  const goal = GOALS.cluster.redisBytesPerArmed;
  const cores = Object.entries(idle?.parts ?? {});
  return [
    {
      name: `${count(armed)} armed: Redis for each`,
      measured: `${Math.round(redisBytes)} bytes`,
      goal: `< ${count(goal)} bytes`,
      isMet: redisBytes < goal,
    },
    { name: '  Postgres for each (definition, state, indexes)', measured: `${Math.round(postgresBytes)} bytes` },
    ...cores.map(([name, value]) => ({ name: `  idle: ${name}`, measured: `${value.toFixed(3)} cores` })),
  ];
}

function spreadRows({ judged, read, outcome }, armed) {
  const isMet = read.p99 < GOALS.alertP99Ms;
  return [
    { name: '  deadline to judgement, p99', measured: ms(judged.p99) },
    {
      name: '  deadline to event read by a notifier, p99',
      measured: ms(read.p99),
      goal: `< ${ms(GOALS.alertP99Ms)}`,
      ...metBy(armed, GOALS.cluster.armed, isMet),
    },
    ...outcome.rows.map((row) => ({ ...row, name: `  ${row.name}` })),
  ];
}

function burstRows({ expected, latency, withinMs }) {
  const { sameSecond, sameSecondMs } = GOALS.cluster;
  return [
    {
      name: `${count(expected)} deadlines within ${inSeconds(withinMs)}: judged`,
      measured: count(latency.count),
      goal: 'all',
      isMet: latency.count === expected,
    },
    {
      name: '  the last of them, after its deadline',
      measured: inSeconds(latency.max),
      goal: `< ${inSeconds(sameSecondMs)} for ${count(sameSecond)}`,
      ...metBy(expected, sameSecond, latency.max < sameSecondMs),
    },
    { name: '  p50 / p99', measured: `${inSeconds(latency.p50)} / ${inSeconds(latency.p99)}` },
  ];
}

/** Bytes that Redis and the tables of heartbeats take. */
async function bytesHeld(database, redis) {
  const { heartbeat, heartbeat_runtime: runtime } = await database.bytesOf('heartbeat', 'heartbeat_runtime');
  return { redis: await usedMemory(redis), postgres: heartbeat + runtime };
}

export const usedMemory = async (redis) => Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))[1]);

/** The timer of a heartbeat that was paused ends when it goes off. Those of the sustained run would end among ours. */
async function untilOthersEnded(target, database) {
  const giveUpAt = performance.now() + OTHERS_ENDED_WITHIN_MS;
  while ((await readArmed(target)) > (await database.armedRows())) {
    if (performance.now() > giveUpAt) throw new Error('Timers of heartbeats that were paused before do not end.');
    await sleep(500);
  }
}

async function untilArmed(target, expected) {
  const giveUpAt = performance.now() + ARMED_WITHIN_MS;
  while ((await readArmed(target)) < expected) {
    if (performance.now() > giveUpAt) throw new Error(`Of ${expected} timers ${await readArmed(target)} are armed.`);
    await sleep(250);
  }
}

/** Deadlines spread over time, to the webhook. */
async function measureSpread(context) {
  const { api, database, options, say } = context;
  const spreadCount = options.isQuick ? 100 : 400;
  say(`armed: ${spreadCount} deadlines spread over ${spreadCount / SPREAD_RATE} s`);
  const receiver = await startWebhookReceiver();
  const channel = await api.createWebhookChannel('bench', receiver.url);
  try {
    const heartbeats = await createSpread(api, spreadCount);
    const outcome = await measureDowns({ context, receiver }, 'deadline to webhook', heartbeats, SPREAD_RATE);
    const { judged, read } = await database.incidentsOf(heartbeats);
    return { outcome, judged: statistics.summarize(judged), read: statistics.summarize(read) };
  } finally {
    await api.deleteChannel(channel.id);
    await receiver.stop();
  }
}

/** Very many deadlines of one second, though nobody can ping that many heartbeats within one. */
async function measureSameSecond({ target, api, database, options, say }) {
  const expected = options.isQuick ? 1_000 : GOALS.cluster.sameSecond;
  const perSecond = expected / PING_SECONDS;
  const templates = await api.createHeartbeats(
    Array.from({ length: PING_SECONDS }, (_, second) => ({
      name: `same second ${second}`,
      interval_secs: SAME_SECOND.interval_secs,
      grace_secs: SAME_SECOND.grace_secs + PING_SECONDS - second,
    })),
  );
  const groups = [];
  for (const template of templates) groups.push(await database.cloneHeartbeats(template, perSecond));
  const heartbeats = groups.flat();
  say(`armed: ${count(expected)} deadlines in the same second`);
  const cpu = watchCpu(target);
  await pingOnce(target.ingests(), heartbeats.map(pingPath), perSecond);
  const giveUpAt = performance.now() + JUDGED_WITHIN_MS;
  let incidents = { due: [], judged: [] };
  while (incidents.judged.length < expected && performance.now() < giveUpAt) {
    await sleep(1_000);
    incidents = await database.incidentsOf(heartbeats);
  }
  const due = statistics.summarize(incidents.due);
  const latency = statistics.summarize(incidents.judged);
  say(
    `  ${count(latency.count)} judged, due within ${inSeconds(due.max - due.min)}: p50 ${inSeconds(latency.p50)}, ` +
      `p99 ${inSeconds(latency.p99)}, last ${inSeconds(latency.max)}`,
  );
  say(`  ${cpuLine(cpu())}`);
  return { expected, latency, withinMs: due.max - due.min };
}
