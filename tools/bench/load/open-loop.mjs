/**
 * Pings at a fixed rate, whatever the answers take: an open loop. The n-th request is due at start + n / rate and its
 * latency counts from then, not from when it could be sent, so a server that stalls is charged for every request it kept
 * from being sent (no coordinated omission). A process of its own: it must not share an event loop with what measures.
 *
 * In (message):  { servers: { host, port }[], paths: string[], rate, seconds, connections, idsFile? }
 *   requests rotate over `paths`, connections are spread over `servers`
 * Out (message): { started: true } when the first request is due, then at the end
 *                { planned, acknowledged, statuses: { [status]: count }, errors: { [reason]: count }, seconds,
 *                  latencyMs: Summary, sendDelayMs: Summary, startedAt, timeline: { acknowledged, failed }[] }
 *   statuses: 0 stands for no answer; seconds: from the first request due to the last answer;
 *   sendDelayMs: how long after it was due a request was sent, this generator's own share of the latency
 *   startedAt: epoch ms of the first request; timeline: answers by when they came, a tenth of a second each
 * idsFile: gets one more line `index-of-path id` per acknowledged ping, id as the answer tells it.
 */
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import statistics from '../statistics.cjs';
import { KeepAliveConnection } from './keep-alive-connection.mjs';

const TICK_MS = 1;
const REQUEST_TIMEOUT_MS = 15_000;
const MOMENT_MS = 100;
const PING_ID = /"id":"([^"]+)"/;

process.on('disconnect', () => process.exit()); // never without the bench
process.once('message', (task) => {
  run(task).then(
    (result) => process.send(result, () => process.exit()),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});

const requestOf = (path, { host, port }) =>
  Buffer.from(`POST ${path} HTTP/1.1\r\nhost: ${host}:${port}\r\nuser-agent: bench\r\ncontent-length: 0\r\n\r\n`);

async function run({ servers, paths, rate, seconds, connections, idsFile }) {
  const requests = paths.map((path) => requestOf(path, servers[0]));
  const idle = Array.from({ length: connections }, (_, index) => {
    return new KeepAliveConnection({ ...servers[index % servers.length], timeoutMs: REQUEST_TIMEOUT_MS });
  });
  const all = [...idle];
  await Promise.all(all.map((connection) => connection.open()));

  const ids = idsFile ? createWriteStream(idsFile, { flags: 'a' }) : null;
  const latency = new statistics.Samples();
  const sendDelay = new statistics.Samples();
  const statuses = {};
  const errors = {};
  const timeline = [];
  const planned = Math.round(rate * seconds);
  let sent = 0;
  let answered = 0;
  let lines = [];

  const startedAt = performance.now();
  const startedAtEpochMs = Date.now();
  process.send({ started: true });
  const dueAt = (index) => startedAt + (index * 1000) / rate;

  await new Promise((resolve) => {
    const sendDue = () => {
      const now = performance.now();
      // The one that has waited longest: a server closes connections on which nothing comes.
      while (sent < planned && idle.length > 0 && dueAt(sent) <= now) sendOne(idle.shift(), sent++);
    };
    const sendOne = (connection, index) => {
      const due = dueAt(index);
      const pathIndex = index % requests.length;
      sendDelay.add(performance.now() - due);
      connection.send(requests[pathIndex], (status, body) => {
        idle.push(connection);
        answered += 1;
        statuses[status] = (statuses[status] ?? 0) + 1;
        const moment = momentOf(timeline, performance.now() - startedAt);
        moment[status === 200 ? 'acknowledged' : 'failed'] += 1;
        if (status === 200) {
          latency.add(performance.now() - due);
          if (ids) lines.push(`${pathIndex} ${PING_ID.exec(body)?.[1]}\n`);
        } else {
          const reason = status === 0 ? body : `${status}`;
          errors[reason] = (errors[reason] ?? 0) + 1;
        }
        if (answered === planned) finish();
      });
    };
    const tick = setInterval(() => {
      sendDue();
      if (lines.length < 5_000) return;
      ids.write(lines.join(''));
      lines = [];
    }, TICK_MS);
    const finish = () => {
      clearInterval(tick);
      resolve();
    };
  });
  const endedAt = performance.now();

  all.forEach((connection) => connection.close());
  if (ids) {
    ids.end(lines.join(''));
    await finished(ids);
  }
  return {
    planned,
    acknowledged: statuses[200] ?? 0,
    statuses,
    errors,
    seconds: (endedAt - startedAt) / 1000,
    latencyMs: latency.summary(),
    sendDelayMs: sendDelay.summary(),
    startedAt: startedAtEpochMs,
    timeline,
  };
}

function momentOf(timeline, elapsedMs) {
  const index = Math.floor(elapsedMs / MOMENT_MS);
  while (timeline.length <= index) timeline.push({ acknowledged: 0, failed: 0 });
  return timeline[index];
}
