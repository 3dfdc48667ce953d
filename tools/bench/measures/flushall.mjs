import { Redis } from 'ioredis';
import { pingPath } from '../target/api.mjs';
import { readArmed, untilApplied } from '../target/metrics.mjs';
import { watchCpu, watchMemory } from '../target/process-tree.mjs';
import { sleep } from '../target/product-process.mjs';
import { usedMemory } from './armed.mjs';
import { pingOnce } from './fixed-rate.mjs';
import { count, cpuLine, GOALS, inSeconds, megabytes, metBy } from './goals.mjs';

const TEMPLATE = { name: 'lost', interval_secs: 86_400, grace_secs: 3_600 };
const SPREAD_SECONDS = 6 * 3_600;
/** Timers that go off meanwhile are not missed. */
const NOT_BEFORE_SECONDS = 900;
const GIVE_UP_AFTER_MS = 600_000;

/**
 * FLUSHALL with very many heartbeats armed: how long until all are armed again. Their rows are made in Postgres, like that
 * of one that was pinged; what is armed anew is read from there, so the timers that were there before do not matter.
 */
export async function measureFlushall({ target, api, database, options, say }) {
  const redis = new Redis(target.redisUrl);
  try {
    say(`flushall: making ${count(options.lost)} armed heartbeats`);
    const [template] = await api.createHeartbeats([TEMPLATE]);
    await pingOnce(target, [pingPath(template)], 1);
    await untilApplied(target);
    const clones = await database.cloneHeartbeats(template, options.lost);
    await database.cloneStates(template, clones, { partitions: target.partitions, overSeconds: SPREAD_SECONDS });
    const expected = await database.armedRows(NOT_BEFORE_SECONDS);

    say(`flushall: FLUSHALL, ${count(expected)} to be armed again`);
    const cpu = watchCpu(target);
    const stopMemory = watchMemory(target, 2_000);
    const startedAt = performance.now();
    await redis.flushall();
    const elapsedMs = () => performance.now() - startedAt;
    let armed = 0;
    while (armed < expected && elapsedMs() < GIVE_UP_AFTER_MS) {
      await sleep(500);
      armed = await readArmed(target).catch(() => armed); // Redis may be too busy to count just then
    }
    const tookMs = elapsedMs();
    const used = cpu();
    const memory = stopMemory();
    const redisBytes = (await usedMemory(redis)) / armed;
    say(`  ${count(armed)} armed again after ${inSeconds(tookMs)}; ${cpuLine(used)}`);
    const goal = GOALS.cluster;
    return {
      rows: [
        {
          name: `FLUSHALL with ${count(expected)} armed: all armed again`,
          measured: armed >= expected ? inSeconds(tookMs) : `not within ${inSeconds(tookMs)}`,
          goal: `< ${goal.armedAgainSeconds} s for ${count(goal.lostTimers)}`,
          ...metBy(expected, goal.lostTimers, armed >= expected && tookMs < goal.armedAgainSeconds * 1_000),
        },
        { name: '  Redis for each', measured: `${Math.round(redisBytes)} bytes` },
        ...(memory ? [{ name: '  memory of the stack meanwhile (pss)', measured: megabytes(memory.pssMb) }] : []),
      ],
      failures: armed < expected ? [`flushall: ${count(expected - armed)} heartbeats were not armed again`] : [],
      figures: { expected, armed, tookMs, redisBytes, cpu: used, memory },
    };
  } finally {
    redis.disconnect();
  }
}
