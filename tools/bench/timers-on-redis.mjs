/**
 * Measures the timers on Redis with one deadline scheduler, on servers of its own:
 *
 *   node tools/build.mjs && node tools/bench/timers-on-redis.mjs [heartbeats to restore] [heartbeats armed] [due at once]
 *
 * 1. FLUSHALL with many armed heartbeats: until all are armed again, and what Redis keeps of each
 * 2. deadline to event with many armed
 * 3. many deadlines in the same second: until the last is judged
 */
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { watchCpu } from './target/process-tree.mjs';

const require = createRequire(import.meta.url);
const built = (path) => require(`../../dist/${path}/src/index.js`);
const { shardOf } = built('libs/domain');
const { ingestPulsed, incidentOpened, eventParser, INCIDENTS_TOPIC, PINGS_TOPIC } = built('libs/events');
const { openInfrastructure } = built('libs/infrastructure');
const { migrate } = built('libs/persistence');
const { createKernel, loadConfig } = built('libs/service-kernel');
const { startTestPostgres, startTestRedis } = built('libs/test-kit');
const { DeadlineScheduler } = require('../../dist/apps/deadline-scheduler/src/deadline-scheduler.js');
const { Redis } = require('ioredis');
const { v7: uuidv7 } = require('uuid');
const { percentileOfSorted } = require('./statistics.cjs');

const [restored = 1_000_000, armed = 100_000, atOnce = 10_000] = process.argv.slice(2).map(Number);
const PARTITIONS = 32;
const PROJECT = uuidv7();
const HOUR_MS = 3_600_000;
const INSERT_ROWS = 20_000;

const postgres = await startTestPostgres();
const redis = await startTestRedis();
const client = new Redis(redis.url);
const config = loadConfig({
  LOG_LEVEL: process.env.LOG_LEVEL ?? 'fatal',
  PING_PARTITIONS: String(PARTITIONS),
  REDIS_URL: redis.url,
});
const kernel = createKernel(config);
await migrate(postgres.url);
const infrastructure = await openInfrastructure(kernel, postgres.url);
const { dataSource, log, timers } = infrastructure;
const scheduler = new DeadlineScheduler({ ...kernel, dataSource, log, timers });
const told = new Map();
let stopPulsing = () => undefined;
try {
  await dataSource.query(`INSERT INTO project (id, name, created_at) VALUES ($1, 'bench', now())`, [PROJECT]);
  await log.consume({ topic: INCIDENTS_TOPIC, group: 'bench', maxRecords: 2_000, handler: listener() });
  stopPulsing = await startPulsing();
  await scheduler.start();
  console.log(`${cpus().length} CPUs, ${PARTITIONS} partitions`);

  await addHeartbeats(restored, () => Date.now() + HOUR_MS + Math.random() * HOUR_MS);
  await forgetTimers();
  await restoreAll('empty Redis');
  await forgetTimers();
  await restoreAll('FLUSHALL');
  await dataSource.query('TRUNCATE heartbeat, heartbeat_runtime');

  const startsAt = Date.now() + 30_000 + armed / 5;
  const due = Math.min(armed, 5_000);
  const spread = await addHeartbeats(due, (index) => startsAt + Math.floor((index * 20_000) / due));
  const instant = startsAt + 30_000;
  const together = await addHeartbeats(atOnce, (index) => instant + Math.floor((index * 1_000) / atOnce));
  await addHeartbeats(armed - due, () => Date.now() + HOUR_MS + Math.random() * HOUR_MS);
  await forgetTimers();
  await restoreAll('before the deadlines');
  await sleep(startsAt - Date.now());
  const whileSpread = watchCpu(process.pid);
  await untilTold(spread, startsAt + 60_000);
  const lateBy = spread.map((id) => told.get(id) ?? Infinity).sort((a, b) => a - b);
  console.log(
    `deadline to event, ${due} over 20 s with ${armed} armed: p50 ${percentileOfSorted(lateBy, 50)} ms, ` +
      `p99 ${percentileOfSorted(lateBy, 99)} ms, most ${lateBy.at(-1)} ms; ${cores(whileSpread())}`,
  );
  await sleep(instant - Date.now());
  const whileTogether = watchCpu(process.pid);
  await untilTold(together, instant + 120_000);
  const judged = together.map((id) => told.get(id) ?? Infinity).sort((a, b) => a - b);
  console.log(
    `${atOnce} deadlines in one second, deadline to event: p50 ${percentileOfSorted(judged, 50)} ms, most ${judged.at(-1)} ms; ${cores(whileTogether())}`,
  );
} finally {
  await stopPulsing();
  await kernel.shutdown.run(10_000);
  client.disconnect();
  await Promise.all([redis.stop(), postgres.stop()]);
}

/** Notes how long after its deadline the incident of a heartbeat was in the event log. */
function listener() {
  const parse = eventParser(incidentOpened);
  const positions = new Map();
  return {
    position: async (partition) => positions.get(partition) ?? 0,
    handle: async (partition, records) => {
      for (const { value } of records) {
        const { key, occurredAt } = parse(value);
        if (!told.has(key)) told.set(key, Date.now() - occurredAt);
      }
      positions.set(partition, records.at(-1).offset + 1);
    },
  };
}

/** Plays an ingest that gets no pings: every partition hears four times a second that nothing is before it. */
async function startPulsing() {
  const producer = await log.producer({ exclusiveId: 'bench' });
  const acceptingSince = Date.now() - 3 * HOUR_MS;
  let stopped = false;
  const pulsing = (async () => {
    while (!stopped) {
      const lowWatermark = Date.now();
      const data = {
        ingestId: 'bench',
        epoch: producer.epoch,
        lowWatermark,
        acceptingSince,
        acknowledged: 0,
        retiring: false,
      };
      const value = ingestPulsed.encode({
        ...{ id: uuidv7(), occurredAt: lowWatermark, producedAt: lowWatermark, key: 'bench', correlationId: 'bench' },
        data,
      });
      await producer.append(
        PINGS_TOPIC,
        Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, key: 'bench', value })),
      );
      await sleep(250);
    }
  })();
  return () => {
    stopped = true;
    return pulsing;
  };
}

/** Heartbeats of an hour whose next deadline is at the given instant. Returns their ids. */
async function addHeartbeats(count, deadlineAt) {
  const all = [];
  for (let from = 0; from < count; from += INSERT_ROWS) {
    const ids = Array.from({ length: Math.min(INSERT_ROWS, count - from) }, () => uuidv7());
    const deadlines = ids.map((_, index) => Math.floor(deadlineAt(from + index)));
    await dataSource.query(
      `INSERT INTO heartbeat (id, project_id, name, interval_secs, grace_secs, alert_after_misses, schedule_changed_at,
                              created_at, updated_at)
       SELECT id, $2, 'job', 3600, 0, 1, now() - interval '1 day', now(), now() FROM unnest($1::uuid[]) AS u(id)`,
      [ids, PROJECT],
    );
    await dataSource.query(
      `INSERT INTO heartbeat_runtime (heartbeat_id, shard, definition_version, schedule_changed_at, status, baseline_at,
                                      last_ping_at, next_expected_at, wake_at)
       SELECT id, shard, 1, now() - interval '1 day', 'up', at - interval '1 hour', at - interval '1 hour', at, at
       FROM (SELECT id, shard, to_timestamp(ms / 1000.0) AS at
             FROM unnest($1::uuid[], $2::int[], $3::bigint[]) AS u(id, shard, ms)) AS v`,
      [ids, ids.map((id) => shardOf(id, PARTITIONS)), deadlines],
    );
    all.push(...ids);
  }
  await dataSource.query('ANALYZE heartbeat_runtime');
  return all;
}

/** As an operator would. The scheduler looks every few seconds, so what follows counts from here. */
async function forgetTimers() {
  await client.flushall();
}

async function restoreAll(cause) {
  const [{ count }] = await dataSource.query(
    'SELECT count(*)::int AS count FROM heartbeat_runtime WHERE wake_at IS NOT NULL',
  );
  const emptyBytes = await usedBytes();
  const startedAt = performance.now();
  let firstAt = 0;
  let present = 0;
  while (present < count) {
    await sleep(100);
    const sizes = await Promise.all(
      Array.from({ length: PARTITIONS }, (_, shard) => client.zcard(`flatline:deadlines-${shard}:delayed`)),
    );
    present = sizes.reduce((sum, size) => sum + size, 0);
    if (present > 0) firstAt ||= performance.now();
  }
  const seconds = (ms) => (ms / 1000).toFixed(1);
  const now = performance.now();
  console.log(
    `${cause}: ${count} armed again after ${seconds(now - startedAt)} s, of which ${seconds(firstAt - startedAt)} s until ` +
      `it was noticed; ${Math.round(((await usedBytes()) - emptyBytes) / count)} bytes of Redis each`,
  );
}

/** What was used meanwhile; much by others means that the figures beside it are not worth quoting. */
function cores(used) {
  if (!used) return 'processor time is not known here';
  const { server, children, others } = used;
  return `cores used: Node ${server.toFixed(2)}, Postgres and Redis ${children.toFixed(2)}, others ${others.toFixed(2)}`;
}

async function usedBytes() {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))[1]);
}

async function untilTold(ids, giveUpAt) {
  while (Date.now() < giveUpAt && !ids.every((id) => told.has(id))) await sleep(200);
}
