/**
 * autocannon in a process of its own. In (message): { baseUrls, paths, connections, seconds }; out: a Saturated of
 * saturate.mjs. Every connection rotates over the paths, each from a place of its own.
 */
import autocannon from 'autocannon';

process.on('disconnect', () => process.exit()); // never without the bench
process.once('message', async ({ baseUrls, paths, connections, seconds }) => {
  let next = 0;
  const result = await autocannon({
    url: baseUrls, // the connections take them in turns
    method: 'POST',
    connections,
    duration: seconds,
    setupClient: (client) => {
      const first = Math.floor((next++ * paths.length) / connections);
      const rotated = [...paths.slice(first), ...paths.slice(0, first)];
      client.setRequests(rotated.map((path) => ({ method: 'POST', path })));
    },
  });
  const acknowledged = result.statusCodeStats['200']?.count ?? 0;
  process.send(
    {
      acknowledged,
      perSecond: acknowledged / result.duration,
      seconds: result.duration,
      other: result.requests.total - acknowledged + result.errors,
      latencyMs: { p50: result.latency.p50, p90: result.latency.p90, p99: result.latency.p99, max: result.latency.max },
    },
    () => process.exit(),
  );
});
